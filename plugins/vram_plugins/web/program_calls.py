"""/api/v1 on the page's server: what arrives for it is read within the page's limits, and what it replies is sent."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus
from io import BufferedIOBase
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from vram_plugins.programs.problems import PREFIX
from vram_plugins.web.guard import host_allowed
from vram_plugins.web.limits import stated_length

if TYPE_CHECKING:
    from vram_plugins.programs.api import Api, Reply, Request

_USUAL_BODY = 64 * 1024


class _Server(Protocol):
    @property
    def api(self) -> Api: ...
    @property
    def names(self) -> frozenset[str]: ...
    @property
    def answers(self) -> BoundedSemaphore: ...
    @property
    def turn(self) -> float: ...


class Call(Protocol):
    """What is needed of a request's handler."""

    command: str
    path: str
    close_connection: bool

    @property
    def server(self) -> _Server: ...
    @property
    def headers(self) -> Message: ...
    @property
    def rfile(self) -> BufferedIOBase: ...
    def send(self, status: HTTPStatus, kind: str, content: bytes, more: Mapping[str, str]) -> None: ...


def is_program_call(path: str) -> bool:
    """Whether a request is for /api/v1."""
    return path.startswith(PREFIX)


def answer_program(call: Call) -> None:
    """Read the request, answer it in its turn, send the reply. Whoever goes away meanwhile is left."""
    from vram_plugins.programs.api import Request

    address = urlsplit(call.path)
    headers = {name.lower(): value for name, value in call.headers.items()}
    asked = Request(method=call.command, path=address.path, query=address.query, headers=headers)
    try:
        reply = _reply(call, asked)
        call.send(reply.status, reply.media_type, reply.content, reply.headers)
    except OSError:
        call.close_connection = True


def _reply(call: Call, asked: Request) -> Reply:
    api = call.server.api
    if not host_allowed(asked.headers.get("host"), call.server.names):
        return _refused(call, asked, "wrong-host", "This server is not known under that name (--allow-host NAME).")
    if not api.origins.may_ask(asked.headers):
        return _refused(call, asked, "other-site", "Pages of other sites may not ask here (--cors ORIGIN).")
    if call.command == "OPTIONS":
        return _allowed(api, asked)
    if call.command == "POST":
        return _posted(call, asked)
    return _in_turn(call, asked)


def _posted(call: Call, asked: Request) -> Reply:
    from vram_plugins.programs.api import Request

    api = call.server.api
    length = stated_length(asked.headers.get("content-length"))
    if asked.headers.get("content-type", "").split(";")[0].strip().lower() != "application/json" or length is None:
        return _refused(call, asked, "media-type")
    if length > api.largest(asked.path):
        return _refused(call, asked, "too-large", f"At most {api.largest(asked.path) // 1024} KiB are taken.")
    large = length > _USUAL_BODY
    if large and not api.large.acquire(blocking=False):
        return _refused(call, asked, "busy")
    try:
        raw = call.rfile.read(length)  # before its turn: whoever drips holds no place
        whole = Request(method=asked.method, path=asked.path, query=asked.query, headers=asked.headers, body=raw)
        return _in_turn(call, whole)
    finally:
        if large:
            api.large.release()


def _in_turn(call: Call, asked: Request) -> Reply:
    if not call.server.answers.acquire(timeout=call.server.turn):
        return _refused(call, asked, "busy")
    try:
        return call.server.api.reply(asked)
    finally:
        call.server.answers.release()


def _allowed(api: Api, asked: Request) -> Reply:
    from vram_plugins.programs.api import Reply

    return api.shared(asked, Reply(status=HTTPStatus.NO_CONTENT, headers=api.origins.preflight(asked.headers)))


def _refused(call: Call, asked: Request, kind: str, detail: str = "") -> Reply:
    call.close_connection = True  # a body that was not read would be taken for the next request
    return call.server.api.refused(asked, kind, detail)
