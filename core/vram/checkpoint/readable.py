"""Which files of this machine may be opened as models: all of them, unless questions come from others than its user."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_FOLDERS: ContextVar[tuple[str, ...] | None] = ContextVar("folders", default=None)
_MOST_ENTRIES = 10_000


@contextmanager
def models_only_from(*folders: str | os.PathLike[str]) -> Iterator[None]:
    """Within, a path outside of `folders` is refused as one that is not there, whoever names it: a question, a manifest, a log.

    What a name or a symbolic link comes to is what counts. Without folders only the Hub, its cache and the catalog are asked.
    """
    token = _FOLDERS.set(tuple(os.path.realpath(folder) for folder in folders))
    try:
        yield
    finally:
        _FOLDERS.reset(token)


def folders() -> tuple[str, ...] | None:
    """Those that models may be opened from; None where all may."""
    return _FOLDERS.get()


def is_readable(path: str) -> bool:
    """Whether a path may be opened, and all that it holds. Whether it is there is not said."""
    allowed = _FOLDERS.get()
    return allowed is None or (_is_inside(path, allowed) and all(_is_inside(link, allowed) for link in _links(path)))


def _is_inside(path: str, allowed: tuple[str, ...]) -> bool:
    real = os.path.realpath(path)
    return any(real == folder or real.startswith(folder.rstrip(os.sep) + os.sep) for folder in allowed)


def _links(path: str) -> Iterator[str]:
    """Symbolic links in a folder, or beside a file, which is read with its like; too many entries to look at are one, too."""
    deep = os.path.isdir(path)
    count = 0
    for folder, below, files in os.walk(path if deep else os.path.dirname(path) or os.curdir):
        for name in (*below, *files):
            count += 1
            if count > _MOST_ENTRIES:
                yield os.sep
                return
            if os.path.islink(os.path.join(folder, name)):
                yield os.path.join(folder, name)
        if not deep:
            return
