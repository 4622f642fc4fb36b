"""Whose pages may ask by a browser: this server's own, and those of origins that were allowed (CORS)."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from vram.errors import InputError

_ORIGIN = re.compile(r"https?://(?:[\w.-]+|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_ANY = "*"


class Origins:
    """`allowed` are origins such as https://tools.example, or * for everybody's. Headers are those of requests, by lower-case names.

    Raises InputError for what is no origin.
    """

    def __init__(self, allowed: Collection[str] = ()) -> None:
        for origin in allowed:
            if origin != _ANY and not _ORIGIN.fullmatch(origin):
                raise InputError(
                    name="cors", value=origin, problem="must be an origin, such as https://tools.example, or *"
                )
        self._allowed = frozenset(origin.lower() for origin in allowed)

    def __bool__(self) -> bool:
        return bool(self._allowed)

    def may_ask(self, headers: Mapping[str, str]) -> bool:
        """Whether no page asks, or the server's own, or one of an allowed origin."""
        origin = headers.get("origin")
        if origin is not None and self._is_allowed(origin):
            return True
        own = origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()
        return own and own_request(headers.get("sec-fetch-site"))

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """What the reply says to the browser; nothing where no origin is allowed."""
        if not self._allowed:
            return {}
        origin = headers.get("origin")
        if origin is None or not self._is_allowed(origin):
            return {"Vary": "Origin"}
        told = _ANY if _ANY in self._allowed else origin
        return {"Vary": "Origin", "Access-Control-Allow-Origin": told, "Access-Control-Expose-Headers": "ETag"}

    def preflight(self, headers: Mapping[str, str]) -> dict[str, str]:
        """The answer to a browser that asks whether a page may ask."""
        private = (
            {"Access-Control-Allow-Private-Network": "true"}
            if headers.get("access-control-request-private-network")
            else {}
        )
        return {
            "Access-Control-Allow-Methods": "GET, HEAD, POST",
            "Access-Control-Allow-Headers": "Content-Type, If-None-Match",
            "Access-Control-Max-Age": "600",
            **private,
        }

    def _is_allowed(self, origin: str) -> bool:
        return _ANY in self._allowed or origin.lower() in self._allowed


def own_request(fetch_site: str | None) -> bool:
    """Whether the browser says that the page itself (or the user, by hand) asks; tools without the header may."""
    return fetch_site in {None, "same-origin", "none"}
