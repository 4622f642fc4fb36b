"""A local server that plays the Hub, and misbehaves as a test asks."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """What a test tells the Hub to hold, and what it was asked.

    `files` maps "org/name" to file names and contents. `fault(path, headers, attempt)` may return an answer
    (status, headers, body) or a function that is given the request handler; None means the usual answer.
    """

    def __init__(self) -> None:
        self.files: dict[str, dict[str, bytes]] = {}
        self.fault: Callable[..., object] = lambda path, headers, attempt: None
        self.ranges = True
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.url = ""

    def paths(self) -> list[str]:
        return [path for path, _ in self.requests]

    def usual(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        match = re.fullmatch(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)", path)
        listing = re.fullmatch(r"/api/models/(?P<repo>[^/]+/[^/]+)/revision/(?P<revision>[^/]+)", path)
        found = match or listing
        if not found or found["repo"] not in self.files:
            return 401, {"X-Error-Code": "RepoNotFound"}, b"{}"
        if found["revision"] not in ("main", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        files = self.files[found["repo"]]
        if listing:
            return 200, {}, json.dumps({"siblings": [{"rfilename": name} for name in files]}).encode()
        name = unquote(found["name"])
        if name not in files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b"{}"
        body, asked = files[name], re.fullmatch(r"bytes=0-(\d+)", headers.get("range", ""))
        if asked and self.ranges:
            part = body[: int(asked[1]) + 1]
            shown = {"X-Repo-Commit": COMMIT, "Content-Range": f"bytes 0-{len(part) - 1}/{len(body)}"}
            return 206, shown, part
        return 200, {"X-Repo-Commit": COMMIT}, body


def handler_of(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            hub.requests.append((self.path, headers))
            attempt = hub.paths().count(self.path)
            answer = hub.fault(self.path, headers, attempt)
            if callable(answer):
                answer(self)
                return
            status, shown, body = answer or hub.usual(self.path, headers)
            self.send_response(status)
            for name, value in shown.items():
                self.send_header(name, value)
            if "Content-Length" not in shown:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    return Handler


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that hang up in the middle are part of the tests."""


def cut_after(handler: BaseHTTPRequestHandler, promised: int, sent: bytes, status: int = 200) -> None:
    """Promises `promised` bytes, sends fewer and hangs up."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(promised))
    handler.end_headers()
    handler.wfile.write(sent)
    handler.wfile.flush()
    handler.close_connection = True


def drip(handler: BaseHTTPRequestHandler, seconds: float) -> None:
    """One byte every tenth of a second."""
    handler.send_response(200)
    handler.send_header("Content-Length", "100000")
    handler.end_headers()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)
    handler.close_connection = True
