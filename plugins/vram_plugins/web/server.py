"""The server: the page, its answers and its downloads, on the standard library alone.

No session, no cookie, nothing is kept: an answer depends on its address only.
"""

from __future__ import annotations

import io
import json
import socket
import traceback
from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from vram_plugins.programs.files import Files
from vram_plugins.programs.origins import Origins, own_request
from vram_plugins.web.guard import HEADERS, host_allowed, is_loopback
from vram_plugins.web.limits import MOST_ANSWERS, MOST_CONNECTIONS, PATIENCE, TURN, Arriving, stated_length
from vram_plugins.web.program_calls import answer_program, is_program_call
from vram_plugins.web.routes import Reply, fields_in, got, posted

if TYPE_CHECKING:
    from vram_plugins.programs.api import Api

LARGEST_UPLOAD = 1024 * 1024


class Server(ThreadingHTTPServer):
    """Serves the page and /api/v1 on one address. `names` are further host names under which it is reached, `origins` those of other
    sites whose pages may ask /api/v1, for which no local file is read then.

    No more than `connections` are held open at once (others are closed) and no more than `answers` computed, `turn` seconds are waited
    for a place among them, and whoever takes longer than `patience` seconds to ask is left.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, host: str, port: int, names: Collection[str] = (), origins: Collection[str] = ()) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self.names = frozenset(name.lower() for name in (*names, host))
        self.local_paths = is_loopback(host)
        self.origins = Origins(origins)
        self._files = Files(folders=None if self.local_paths and not origins else ())
        self.patience, self.turn = PATIENCE, TURN
        self.connections, self.answers = BoundedSemaphore(MOST_CONNECTIONS), BoundedSemaphore(MOST_ANSWERS)
        super().__init__((host, port), Handler)

    @cached_property
    def api(self) -> Api:
        """What answers /api/v1, from its first question on: who only looks at the page does not wait for it."""
        from vram_plugins.programs.api import Api

        return Api(self._files, self.origins)

    def process_request(self, request: Any, client_address: Any) -> None:
        """In a thread of its own, or, where too many are, not at all."""
        if self.connections.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection from its beginning to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.connections.release()

    @property
    def url(self) -> str:
        """Where the page is."""
        host, port = str(self.server_address[0]), self.server_address[1]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"
    server_version = "vram"
    sys_version = ""

    def setup(self) -> None:
        """As the base class, but that a request has a time in which to arrive, however slowly it drips."""
        super().setup()
        self.rfile.close()
        self._arriving = Arriving(self.connection, self.server.patience)
        self.rfile = io.BufferedReader(self._arriving)

    def handle_one_request(self) -> None:
        """One of those that follow each other on the connection."""
        self._arriving.begin()
        super().handle_one_request()

    def do_GET(self) -> None:
        """The page, an answer, or a file."""
        if is_program_call(self.path):
            answer_program(self)
            return
        address = urlsplit(self.path)
        if not self._admitted(page=address.path == "/"):
            return
        fields = fields_in(address.query)
        self._in_turn(lambda: self._sent(lambda: got(address.path, fields, local_paths=self.server.local_paths)))

    do_HEAD = do_GET  # noqa: N815 the base class calls it so

    def do_OPTIONS(self) -> None:
        """A browser that asks whether another site's page may ask."""
        if is_program_call(self.path):
            answer_program(self)
        else:
            self._refuse(HTTPStatus.NOT_IMPLEMENTED, "The page is asked by GET, HEAD and POST.")

    do_PUT = do_PATCH = do_DELETE = do_OPTIONS  # noqa: N815 told in /api/v1's own way

    def do_POST(self) -> None:
        """What was pasted, or a program's question."""
        if is_program_call(self.path):
            answer_program(self)
            return
        if not self._admitted(page=False):
            return
        length = stated_length(self.headers.get("Content-Length"))
        if self.headers.get("Content-Type", "").split(";")[0] != "application/json" or length is None:
            self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Only JSON of a stated length is taken.")
        elif length > LARGEST_UPLOAD:
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {LARGEST_UPLOAD // 1024:,} KiB are taken.")
        else:
            raw = self.rfile.read(length)  # before its turn: whoever drips holds no place
            path = urlsplit(self.path).path
            self._in_turn(lambda: self._sent(lambda: posted(path, raw, local_paths=self.server.local_paths)))

    def _in_turn(self, answer: Callable[[], None]) -> None:
        """Answer as soon as fewer than the most are at work."""
        if not self.server.answers.acquire(timeout=self.server.turn):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "Too many questions at once; ask again in a moment.")
            return
        try:
            answer()
        finally:
            self.server.answers.release()

    def _sent(self, answer: Callable[[], Reply | None]) -> None:
        """An answer, or what is wrong."""
        try:
            reply = answer()
            if reply is None:
                self._refuse(HTTPStatus.NOT_FOUND, "There is nothing here.")
            else:
                self._send(reply.status, reply.kind, reply.content, reply.headers)
        except OSError:
            self.close_connection = True  # the browser went away: a newer question replaced this one
        except Exception:  # noqa: BLE001 a bug must not leave the page waiting; the traceback goes to the terminal
            traceback.print_exc()
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a bug in vram; the terminal says more.")

    def _admitted(self, *, page: bool) -> bool:
        """Whether the request is this page's own; else it is refused."""
        if not host_allowed(self.headers.get("Host"), self.server.names):
            self._refuse(
                HTTPStatus.MISDIRECTED_REQUEST, "This server is not known under that name (--allow-host NAME)."
            )
            return False
        if not page and not own_request(self.headers.get("Sec-Fetch-Site")):
            self._refuse(HTTPStatus.FORBIDDEN, "Other sites may not ask here.")
            return False
        return True

    def _refuse(self, status: HTTPStatus, sentence: str) -> None:
        self.close_connection = True  # a body that was not read would be taken for the next request
        self._send(status, "application/json", json.dumps({"field": "", "error": sentence}).encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes, more: Mapping[str, str] | None = None) -> None:
        kind = f"{kind}; charset=utf-8" if kind.startswith("text/") or kind == "application/json" else kind
        self.send(status, kind, content, more or {})

    def send(self, status: HTTPStatus, kind: str, content: bytes, more: Mapping[str, str]) -> None:
        """In one piece: a head and a body sent after each other wait for the other side's acknowledgement in between."""
        self.connection.settimeout(self.server.patience)
        bodiless = status in (HTTPStatus.NOT_MODIFIED, HTTPStatus.NO_CONTENT)
        size = {} if bodiless else {"Content-Type": kind, "Content-Length": str(len(content))}
        closing = {"Connection": "close"} if self.close_connection else {}
        headers = {"Server": "vram", "Date": self.date_time_string(), **HEADERS, **size, **more, **closing}
        lines = [f"HTTP/1.1 {int(status)} {status.phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        head = "\r\n".join((*lines, "", "")).encode("latin-1", "replace")
        self.wfile.write(head if bodiless or self.command == "HEAD" else head + content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: addresses hold what the user types."""
