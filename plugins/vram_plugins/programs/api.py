"""/api/v1: a request to a reply. No socket is known here, and no state is kept but answers that were given of late."""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from http import HTTPStatus
from threading import BoundedSemaphore
from typing import Any
from urllib.parse import parse_qsl

from vram.checkpoint import stand_ins
from vram.errors import VramError
from vram.models.record import evolve, field, frozen
from vram_plugins.programs.ask_texts import LARGEST_TEXT
from vram_plugins.programs.files import Files
from vram_plugins.programs.kept import FRESH, Body, Kept, body_of, may_change
from vram_plugins.programs.openapi import document
from vram_plugins.programs.operations import Operation, operations
from vram_plugins.programs.origins import Origins
from vram_plugins.programs.problems import MEDIA_TYPE, PLACE, PREFIX, kinds, problem, problem_of
from vram_plugins.programs.query import question_in

LARGEST = 512 * 1024
_LARGEST_PASTE = LARGEST_TEXT + LARGEST
_MOST_FIELDS = 256
_LARGE_AT_ONCE = 8
_DOCUMENT = f"{PREFIX}openapi.json"


@frozen(kw_only=True)
class Request:
    """What somebody asks; the names of `headers` are in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(factory=dict)
    body: bytes = b""


@frozen(kw_only=True)
class Reply:
    """What is sent back."""

    status: HTTPStatus
    content: bytes = b""
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(factory=dict)


class Api:
    """The questions over HTTP, about `files`; pages of `origins` may ask them, too."""

    def __init__(self, files: Files, origins: Origins | None = None) -> None:
        self._files, self.origins = files, origins or Origins()
        self._kept = Kept()
        #: places for bodies that are larger than most, so that many at once do not fill the memory
        self.large = BoundedSemaphore(_LARGE_AT_ONCE)

    def largest(self, path: str) -> int:
        """Bytes of the largest body that is read for a path."""
        operation = operations().get(path.removeprefix(PREFIX))
        return _LARGEST_PASTE if operation and operation.pastes else LARGEST

    def reply(self, request: Request) -> Reply:
        """The answer, or a problem; never raises."""
        try:
            found = self._reply(request)
        except VramError as error:
            found = _problem(problem_of(error))
        except Exception:  # noqa: BLE001 a bug must not leave anybody waiting; the traceback goes to the terminal
            traceback.print_exc(file=sys.stderr)
            found = _problem(problem("bug"))
        return self.shared(request, found)

    def refused(self, request: Request, kind: str, detail: str = "") -> Reply:
        """The reply to what is not answered at all."""
        return self.shared(request, _problem(problem(kind, detail)))

    def shared(self, request: Request, reply: Reply) -> Reply:
        """With what lets an allowed origin's page read it."""
        more = self.origins.headers(request.headers)
        if not more:
            return reply
        return Reply(
            status=reply.status,
            content=reply.content,
            media_type=reply.media_type,
            headers={**reply.headers, **more},
        )

    def _reply(self, request: Request) -> Reply:
        path = request.path
        if path == _DOCUMENT:
            return self._read_only(request, lambda: self._kept.answered(path, {}, lambda: body_of(document())))
        if path.startswith(PLACE) and path.removeprefix(PLACE) in kinds():
            kind = path.removeprefix(PLACE)
            status, title = kinds()[kind]
            told = {"type": path, "title": title, "status": int(status)}
            return self._read_only(request, lambda: body_of(told))
        operation = operations().get(path.removeprefix(PREFIX))
        if operation is None:
            known = ", ".join(PREFIX + name for name in operations())
            return _problem(problem("not-found", f"There is nothing under this path. Known: {known}; {_DOCUMENT}."))
        methods = ("POST",) if operation.pastes else ("GET", "HEAD", "POST")
        if request.method not in methods:
            return _other_method(*methods)
        return self._posted(operation, request) if request.method == "POST" else self._asked(operation, request)

    def _posted(self, operation: Operation, request: Request) -> Reply:
        try:
            content = json.loads(request.body, parse_constant=_no_number, object_pairs_hook=_once)
        except (ValueError, RecursionError):
            return _problem(problem("not-json"))
        body = self._answered(operation, operation.checked(content, pasted=True))
        return Reply(status=HTTPStatus.OK, content=body.content, headers={"Cache-Control": "no-store"})

    def _asked(self, operation: Operation, request: Request) -> Reply:
        try:
            pairs = parse_qsl(request.query, errors="replace", max_num_fields=_MOST_FIELDS)
        except ValueError:
            return _problem(problem("too-large", f"An address has at most {_MOST_FIELDS} fields; ask by POST."))
        question = operation.checked(question_in(pairs, operation.pasted_fields()), pasted=True)
        body = self._answered(operation, question)
        fresh = "no-cache" if body.passing or may_change(question, self._files) else f"max-age={FRESH:.0f}"
        return _tagged(body, request, fresh)

    def _answered(self, operation: Operation, question: Mapping[str, Any]) -> Body:
        def make() -> Body:
            before = stand_ins()
            body = body_of(operation.answer(operation.asked(question, self._files)))
            return evolve(body, passing=stand_ins() != before)

        kept = not operation.pastes and not may_change(question, self._files)
        return self._kept.answered(operation.name, question, make) if kept else make()

    def _read_only(self, request: Request, make: Callable[[], Body]) -> Reply:
        if request.method not in ("GET", "HEAD"):
            return _other_method("GET", "HEAD")
        return _tagged(make(), request, f"max-age={FRESH:.0f}")


def _tagged(body: Body, request: Request, fresh: str) -> Reply:
    headers = {"ETag": body.tag, "Cache-Control": fresh}
    known = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    if body.tag in known or "*" in known:
        return Reply(status=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Reply(status=HTTPStatus.OK, content=body.content, headers=headers)


def _problem(told: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Reply:
    status = HTTPStatus(told["status"])
    later = {"Retry-After": "1"} if status is HTTPStatus.SERVICE_UNAVAILABLE else {}
    return Reply(
        status=status,
        content=json.dumps(told, separators=(",", ":")).encode(),
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **later, **(headers or {})},
    )


def _other_method(*methods: str) -> Reply:
    told = problem("method", f"This path is asked by {' or '.join(methods)}.")
    return _problem(told, {"Allow": ", ".join((*methods, "OPTIONS"))})


def _no_number(word: str) -> float:
    raise ValueError(word)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose names are each there once: of two, nobody knows which is meant."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found
