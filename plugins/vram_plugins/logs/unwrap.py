"""From the lines that people paste to the lines that vLLM printed: what containers and quoting put before them is left off, and
a line that a narrow window broke is whole again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import accumulate

from vram.models.record import frozen

_QUOTED = re.compile(r"[ \t]{0,8}(?:>[ \t]?){1,8}")
#: what may stand before a line, once or several times, the outermost first
_BEFORE = re.compile(
    r"[ \t]{0,8}(?:"
    r"\[pod/[^\]\s]{1,200}\][ \t]"  # kubectl logs --prefix
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[+-]\d\d:?\d\d)?[ \t]"  # docker logs -t, kubectl --timestamps
    r"|(?:stdout|stderr) [FP] "  # a container runtime's file
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S{1,100} [^\s:]{1,100}: "  # journald
    r"|[A-Za-z0-9][\w.-]{0,80}+[ \t]{1,40}+\|[ \t]"  # docker compose
    r")"
)
#: how a line of vLLM's own begins; what stands before it is not vLLM's
_HEADER = re.compile(
    r"(?:\([A-Za-z][\w ]{0,40}(?: rank=\d{1,5})? pid=\d{1,10}(?:, ip=[\w.:]{1,60})?\)[ \t]{0,4}){1,3}"
    r"|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)[ \t]{1,4}\d\d-\d\d \d\d:\d\d:\d\d"
)
#: one of these is in every such beginning: finding none is ten times as fast as looking for the beginning itself
_IN_HEADERS = ("pid=", "INFO", "WARNING", "ERROR", "DEBUG", "CRITICAL")
_BEGINNING = 200  # characters in which vLLM's own beginning stands, with what was put before it; more is no prefix
_MOST_LINES, _MOST_CHARACTERS = 400, 1 << 16  # of one broken line: vLLM's configuration has 12,000 characters at most
_NARROWEST = 32  # no window is narrower


def unquoted(line: str) -> str:
    """A line without the marks of a quotation."""
    mark = _QUOTED.match(line)
    return line[mark.end() :] if mark else line


@frozen(kw_only=True)
class LogLine:
    """A line as vLLM printed it, `number` in the file; `begins` where vLLM's own words for the start of one are in it.

    `width` are its characters as pasted, without quotation.
    """

    text: str
    number: int
    width: int
    begins: bool

    @classmethod
    def of(cls, pasted: str, number: int) -> LogLine:
        """From a line of a file."""
        plain = unquoted(pasted)
        text = plain
        for _ in range(4):
            before = _BEFORE.match(text)
            if before is None:
                break
            text = text[before.end() :]
        beginning = text[:_BEGINNING]
        header = _HEADER.search(beginning) if any(map(beginning.__contains__, _IN_HEADERS)) else None
        if header is not None:
            text = text[header.start() :]
        return cls(text=text, number=number, width=len(plain.rstrip()), begins=header is not None)


def paragraphs(lines: Iterable[LogLine]) -> Iterator[list[LogLine]]:
    """Lines that may belong together: one that begins as vLLM's do, and those behind it that do not, up to an empty one."""
    together: list[LogLine] = []
    size = 0
    for line in lines:
        full = len(together) >= _MOST_LINES or size > _MOST_CHARACTERS
        if together and (line.begins or not line.text.strip() or full):
            yield together
            together, size = [], 0
        if line.text.strip():
            together.append(line)
            size += len(line.text)
    if together:
        yield together


def joined(lines: list[LogLine]) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """The lines as one, with the places where they meet: broken at the edge of a window, or between words.

    A window's edge may have fallen on a space, which is not pasted.
    """
    width = max(line.width for line in lines[:-1])
    ways = []
    if width >= _NARROWEST and all(line.width >= width - 1 for line in lines[:-1]):
        ways.append([line.text.rstrip() + " " * (width - line.width) for line in lines[:-1]])
    ways.append([line.text.strip() + " " for line in lines[:-1]])
    last = (lines[-1].text, lines[-1].text.lstrip())[-len(ways) :]
    return tuple(_together([*pieces, end]) for pieces, end in zip(ways, last, strict=True))


def _together(pieces: list[str]) -> tuple[str, tuple[int, ...]]:
    return "".join(pieces), tuple(accumulate(map(len, pieces[:-1])))


def crosses(match: re.Match[str], meetings: tuple[int, ...]) -> bool:
    """Whether a match lies on both sides of a place where lines meet, or ends right at one, where a number may go on."""
    return any(match.start() < at <= match.end() for at in meetings)
