"""How the server is reached: by the process that started it, or over HTTP."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

import anyio
import click
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from vram.commands import warn_about_plugins
from vram.errors import InputError
from vram_plugins.mcp.server import server
from vram_plugins.programs.files import Files

if TYPE_CHECKING:
    from starlette.applications import Starlette

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def over_stdio(files: Files) -> None:
    """Serve whoever started this process, until it closes its end."""
    warn_about_plugins()
    if sys.stdin.isatty():
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # what waits for a terminal's next line hears of nothing else
        click.echo(
            "Waiting for an assistant on standard input: it starts this itself (docs/how-to/mcp.md). Ctrl-C ends it.",
            err=True,
        )

    async def serve() -> None:
        found = server(files)
        async with stdio_server() as (reading, writing):
            await found.run(reading, writing, found.create_initialization_options())

    anyio.run(serve)


def over_http(files: Files, host: str, port: int, names: Collection[str] = ()) -> None:
    """Serve at /mcp until interrupted. Raises InputError where the address cannot be listened on."""
    import uvicorn

    app = http_app(files, host, names)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            problem = f"cannot be listened on: {reason}"
            raise InputError(name="host and port", value=f"{host}:{port}", problem=problem) from None
        warn_about_plugins()
        click.echo(f"The tools are at http://{_bracketed(host)}:{port}/mcp (Ctrl-C ends it)", err=True)
        if host not in _LOOPBACK:
            click.echo("Everybody who reaches this address can use it; there is no password.", err=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", limit_concurrency=64)).run(sockets=[listening])


def http_app(files: Files, host: str, names: Collection[str] = ()) -> Starlette:
    """The application: no session is kept, and only pages of this machine may ask by a browser, under names that are this server's."""
    known = [_bracketed(name) for name in dict.fromkeys((*_LOOPBACK, *names, host))]
    hosts = [spelling for name in known for spelling in (name, f"{name}:*")]
    guard = TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"http://{name}" for name in hosts],
    )
    return server(files).streamable_http_app(
        stateless_http=True, json_response=True, host=host, transport_security=guard
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
