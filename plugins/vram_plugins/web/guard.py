"""Who may ask, and what the page may do: against other sites' pages in the same browser, and against itself.

A page of another site can make the browser ask a server on this machine (and, by rebinding a name, read the answer). So
the Host header must be this server's, requests that the browser marks as another site's are refused, and the page may
load nothing but its own files.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from ipaddress import ip_address

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


def host_allowed(header: str | None, names: Collection[str]) -> bool:
    """Whether a Host header names this server: an address, localhost, or one of `names`. A rebound name is neither."""
    if not header:
        return False
    name = header.rsplit(":", 1)[0] if not header.endswith("]") and ":" in header else header
    name = name.strip("[]").lower().rstrip(".")
    return name == "localhost" or is_address(name) or name in names


def is_address(name: str) -> bool:
    """Whether a host is written as an IP address."""
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_loopback(name: str) -> bool:
    """Whether only this machine reaches a host."""
    return name == "localhost" or (is_address(name) and ip_address(name).is_loopback)
