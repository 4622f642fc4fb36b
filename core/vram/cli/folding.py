"""Lines that are longer than the terminal, broken between words: the terminal itself breaks them anywhere."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator

_ORDERS = re.compile(r"\x1b\[[0-9;]*m")
_WORDS = re.compile(r"[^ ]+ *")
_INDENT = re.compile(r" *(?:[-*!✓✗?•] +)?")
#: what is typed again when it is copied: its parts are held together as a shell holds them
_COMMAND = re.compile(
    r"(?:\x1b\[[0-9;]*m| )*(?:[A-Z_][A-Z0-9_]*=\S* +)*(?:vllm|docker|podman|vram|python3?|kubectl|helm|curl|--\w)"
)
#: what other programs read is written as it is
_FOR_PROGRAMS = ("--json", "--csv", "--markdown", "--format", "--show-completion")
_NARROWEST = 20


def fold_outputs() -> None:
    """From here on, where standard output and error are terminals."""
    if any(word.split("=")[0] in _FOR_PROGRAMS for word in sys.argv[1:]):
        return
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and stream.isatty():
            setattr(sys, name, _Folding(stream))


class _Folding(io.TextIOWrapper):
    """A terminal's stream."""

    def __init__(self, stream: io.TextIOWrapper) -> None:
        encoding, errors = stream.encoding, stream.errors
        super().__init__(stream.detach(), encoding=encoding, errors=errors, line_buffering=True)

    def write(self, text: str, /) -> int:
        """As the base class; a line that is written in one piece is folded."""
        try:
            width = os.get_terminal_size(self.fileno()).columns
        except OSError:
            width = 0
        whole = width < _NARROWEST or "\r" in text  # a progress line writes over itself
        super().write(text if whole else "\n".join(folded(line, width) for line in text.split("\n")))
        return len(text)


def folded(line: str, width: int) -> str:
    """A line in as many as it takes, the further ones two characters in; one that is a command can be copied and run."""
    if len(line) <= width or _length(line) <= width:
        return line
    mark = " \\" if _COMMAND.match(line) else ""
    return "\n".join(_lines(line, width, mark))


def _lines(line: str, width: int, mark: str) -> Iterator[str]:
    indent = " " * min(_length(_INDENT.match(_ORDERS.sub("", line)).group()) + 2, width // 2)  # type: ignore[union-attr]
    words = _WORDS.findall(line)
    start = len(line) - len(line.lstrip(" "))
    longest = max((_length(word.rstrip(" ")) for word in words), default=0)
    now = " " * max(0, min(start, width - longest))  # a word that is pushed over the edge is pushed back
    indent = indent if start < len(indent) else now
    begun = False
    for word in words:
        if begun and _length(now) + _length(word.rstrip(" ")) + len(mark) > width:
            yield now.rstrip(" ") + mark
            now = indent
        now += word
        begun = True
    yield now.rstrip(" ")


def _length(text: str) -> int:
    return len(_ORDERS.sub("", text))
