"""What a log says, as records."""

from __future__ import annotations

from collections.abc import Mapping

from vram.models.record import field, frozen
from vram_plugins.logs.surroundings import Surroundings


@frozen(kw_only=True)
class Reading:
    """One number vLLM printed: bytes where `name` ends in `_bytes`. `rank` is the process that printed it, `line` where."""

    name: str
    value: float
    rank: str
    line: int


@frozen(kw_only=True)
class Failure:
    """How a start-up ended badly: `name` is the kind of line (`patterns.py`), `text` the line, shortened."""

    name: str
    text: str
    rank: str
    line: int


@frozen(kw_only=True)
class EngineStart:
    """One start of an engine. `arguments` are engine arguments under vLLM's names as far as the log tells them.

    `asked` names those that were given, None where the log does not show what was. `resolved_quantization` is what the
    configuration dump says, whichever of checkpoint and user asked for it. `order` has the kinds of lines in the order
    they came first, and `frames` the functions of the traces in it, which tell how far the start got.
    """

    line: int
    version: str | None = None
    model: str | None = None
    revision: str | None = None
    gpu: str | None = None
    arguments: Mapping[str, object] = field(factory=dict)
    asked: tuple[str, ...] | None = None
    resolved_quantization: str | None = None
    readings: tuple[Reading, ...] = ()
    failures: tuple[Failure, ...] = ()
    order: tuple[str, ...] = ()
    frames: tuple[str, ...] = ()
    ready: bool = False

    def values(self, name: str) -> tuple[float, ...]:
        """Every value of a reading: the last of each rank."""
        by_rank = {reading.rank: reading.value for reading in self.readings if reading.name == name}
        return tuple(by_rank.values())

    def largest(self, name: str) -> float | None:
        """Of the rank with the most, None where the log does not say."""
        return max(self.values(name), default=None)

    def smallest(self, name: str) -> float | None:
        """Of the rank with the least, None where the log does not say."""
        return min(self.values(name), default=None)


@frozen(kw_only=True)
class StartupLog:
    """A whole log: every start of an engine in it, in order. The last one counts.

    `surroundings` are what else is said of the machine, `text` all that is no line of vLLM's, each line at its place: where somebody
    pasted a whole report, the command is in it.
    """

    path: str
    lines: int
    starts: tuple[EngineStart, ...]
    surroundings: Surroundings = Surroundings()
    text: str = field(default="", repr=False)

    @property
    def last(self) -> EngineStart:
        return self.starts[-1]
