"""Whose fault it is when a plugin's code ends in another way than it should, or prints where answers go: one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from threading import get_ident
from typing import Any

from vram.errors import PluginError, VramError
from vram.models.record import frozen

#: any error, and an exit of its own
STUMBLES = (Exception, SystemExit, GeneratorExit)


@frozen(kw_only=True)
class Origin:
    """Where a record is from: the plugin's name, the plugin with its distribution and version, and the hook.

    `is_ours`: it is one of this program's own built-ins.
    """

    plugin: str
    source: str
    hook: str
    is_ours: bool = False

    def error(self, problem: str) -> PluginError:
        """The sentence that names all three."""
        step = f"Mend it, or leave the plugin out with VRAM_DISABLED_PLUGINS={self.plugin}."
        return PluginError(problem=f"Plugin {self.source}, {self.hook}: {problem}", fault=problem, next=step)

    @contextmanager
    def blamed(self, what: str) -> Iterator[None]:
        """Turn what a plugin did not expect into a PluginError, with the cause behind it for whoever mends the plugin."""
        try:
            yield
        except VramError:
            raise
        except STUMBLES as error:
            raise self.error(f"{what} raises {type(error).__name__}: {error}") from error


def told(error: BaseException) -> str:
    """An error of a plugin's for a sentence that has named the plugin already."""
    fault = error.data.get("fault") if isinstance(error, PluginError) else None
    return str(fault) if fault else " ".join(f"{type(error).__name__}: {error}".split())[:400]


class PrintedError(Exception):
    """A plugin wrote where answers are written."""


@contextmanager
def silent(what: str) -> Iterator[None]:
    """Keep what a plugin prints off the answer, of this thread alone. Raises PrintedError where it printed something."""
    output = sys.stdout
    mine = _Silenced(output)
    sys.stdout = mine
    try:
        yield
    finally:
        sys.stdout = output
    if mine.text:
        first = (mine.text.strip().splitlines() or [""])[0]
        raise PrintedError(f"{what} prints to standard output ({first[:60]!r}), where the answer goes")


class _Silenced(StringIO):
    """Standard output for everybody but one thread."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self._output, self._mine = output, get_ident()

    def write(self, text: str) -> int:
        """Keep it, or pass another thread's on."""
        return super().write(text) if get_ident() == self._mine else int(self._output.write(text) or 0)

    @property
    def text(self) -> str:
        """What the thread wrote."""
        return self.getvalue()
