"""A pasted text taken apart: the lines that vLLM printed, whole again, what is said of the machine, and the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import define, field

from vram_plugins.logs.patterns import ENGINE, FAILURES, MEASURED, NAMESPACE, NON_DEFAULT, PEER, worth_reading
from vram_plugins.logs.surroundings import Looker, Surroundings
from vram_plugins.logs.unwrap import LogLine, crosses, joined, paragraphs, unquoted

_LONGEST_REPORT = 1 << 20  # characters beside vLLM's lines
_MOST_OF_A_MESSAGE = 40  # lines that one message is broken into; arguments may be more
_ARGUMENTS = (NAMESPACE, NON_DEFAULT, ENGINE)
_KINDS = (*(kind.pattern for kind in (*MEASURED, *FAILURES)), *_ARGUMENTS)


@define
class Pasted:
    """Reads once; `count` are the lines so far."""

    count: int = 0
    _looker: Looker = field(factory=Looker)
    _kept: list[str] = field(factory=list)
    _left: int = _LONGEST_REPORT

    def whole_lines(self, lines: Iterable[str]) -> Iterator[tuple[str, int]]:
        """What vLLM printed, with the number of the line where it begins."""
        for together in paragraphs(self._counted(lines)):
            long = together[0].begins and len(together) > _MOST_OF_A_MESSAGE and not _asked(together)
            first = together[:_MOST_OF_A_MESSAGE] if long else together
            yield from _whole(first)
            yield from ((line.text, line.number) for line in together[len(first) :])

    @property
    def surroundings(self) -> Surroundings:
        """What is said of the machine."""
        return self._looker.found()

    @property
    def report(self) -> str:
        """The lines that do not begin as vLLM's do, with empty ones for those that do, so that lines count on."""
        return "\n".join(self._kept)

    def _counted(self, lines: Iterable[str]) -> Iterator[LogLine]:
        for self.count, pasted in enumerate(lines, 1):
            line = LogLine.of(pasted, self.count)
            self._looker.look(pasted)
            if not line.begins:
                self._looker.read(line.text, self.count)
            if self._left > 0:
                self._kept.append("" if line.begins else unquoted(pasted))
                self._left -= len(self._kept[-1]) + 1
            yield line


def _whole(together: list[LogLine]) -> Iterator[tuple[str, int]]:
    """The lines as they are, or as one where something that vLLM says, or its arguments, goes over the end of a line.

    What follows a process's line without a beginning of its own is that process's, too.
    """
    asked = len(together) > 1 and _asked(together)
    if asked or 1 < len(together) <= _MOST_OF_A_MESSAGE:
        for text, meetings in joined(together):
            if asked or (worth_reading(text) and _broken(text, meetings)):
                yield text, together[0].number
                return
    peer = PEER.match(together[0].text)
    whose = f"{peer[0]}) " if peer else ""
    for number, line in enumerate(together):
        yield whose * (number > 0) + line.text, line.number


def _asked(together: list[LogLine]) -> bool:
    """Whether arguments begin in the first line."""
    return any(pattern.search(together[0].text) for pattern in _ARGUMENTS)


def _broken(text: str, meetings: tuple[int, ...]) -> bool:
    return any(crosses(match, meetings) for pattern in _KINDS for match in pattern.finditer(text))
