"""Answers that are kept for a while, by the whole question."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Any

from vram.models.record import frozen
from vram_plugins.programs.files import Files

#: seconds for which an answer is as good as a new one: a model on the Hub may change
FRESH = 300.0
_LARGEST = 32 * 1024 * 1024


@frozen(kw_only=True)
class Body:
    """An answer as it is sent; `tag` names its content, and `passing` says that a slow Hub may soon change it."""

    content: bytes
    tag: str
    passing: bool = False


def body_of(answer: object) -> Body:
    """As compact JSON."""
    content = json.dumps(answer, separators=(",", ":"), allow_nan=False).encode()
    return Body(content=content, tag=f'"{sha256(content).hexdigest()[:32]}"')


class Kept:
    """The answers given last, 32 MiB of them."""

    def __init__(self, fresh: float = FRESH) -> None:
        self._fresh = fresh
        self._lock = Lock()
        self._bodies: OrderedDict[str, tuple[float, Body]] = OrderedDict()
        self._size = 0

    def answered(self, name: str, question: Mapping[str, Any], make: Callable[[], Body]) -> Body:
        """The answer to a question of that name, which `make` makes where it was not given of late. Raises what that raises."""
        key = f"{name} {json.dumps(question, sort_keys=True)}"
        with self._lock:
            until, body = self._bodies.get(key, (0.0, None))
            if body is not None and monotonic() < until:
                self._bodies.move_to_end(key)
                return body
        body = make()  # two at once may both make it: neither waits for the other
        if body.passing:
            return body
        with self._lock:
            self._drop(key)
            self._bodies[key] = (monotonic() + self._fresh, body)
            self._size += len(key) + len(body.content)
            while self._size > _LARGEST:
                self._drop(next(iter(self._bodies)))
        return body

    def _drop(self, key: str) -> None:
        old = self._bodies.pop(key, None)
        if old is not None:
            self._size -= len(key) + len(old[1].content)


def may_change(question: Mapping[str, Any], files: Files) -> bool:
    """Whether files of this machine are read for it, which somebody may be editing."""
    if files.folders == ():
        return False
    if "command" in question or "path" in question or "paths" in question or question.get("gpu") == "auto":
        return True
    draft = question.get("speculative_config", {}).get("model")
    names = (question.get("model"), draft, question.get("profile"), *question.get("models", ()))
    return any(isinstance(name, str) and os.path.exists(os.path.expanduser(name)) for name in names)
