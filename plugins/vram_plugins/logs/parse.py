"""From the lines of a log to the engine starts in it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable

from attrs import define, field

from vram.errors import LogError
from vram.models.record import evolve, frozen
from vram.units import GIB
from vram_plugins.logs.arguments import engine_arguments, written_values
from vram_plugins.logs.pasted import Pasted
from vram_plugins.logs.patterns import (
    BANNER_MODEL,
    DEVICE,
    ENGINE,
    FAILURES,
    FRAME,
    LISTED_GPU,
    MEASURED,
    NAMESPACE,
    NON_DEFAULT,
    PEER,
    READY,
    VERSION,
    worth_reading,
)
from vram_plugins.logs.reading import clean_lines
from vram_plugins.logs.records import EngineStart, Failure, Reading, StartupLog
from vram_plugins.logs.stages import FRAMES

_MOST_READINGS = 4096  # of one start; a log with more repeats itself
_MOST_STARTS = 256
_LONGEST_QUOTE = 400
_LARGEST = 2.0**40  # no GiB, token or block count of a log is larger
_SNAPSHOT = re.compile(r"models--([\w.-]{1,96}?)--([\w.-]{1,96}?)(?:/snapshots/.*)?\Z")
#: failures that follow from an earlier one and are not counted by themselves
_DETAILS = frozenset({"estimated_length"})


def read_log(path: str | os.PathLike[str]) -> StartupLog:
    """Everything a log says about memory ("-": standard input). Raises LogError where it says nothing."""
    name = os.fspath(path)
    shown = "standard input" if name == "-" else str(name)
    return parse_lines(clean_lines(path), path=shown)


def parse_lines(lines: Iterable[str], *, path: str) -> StartupLog:
    """As `read_log`, of lines. Raises LogError."""
    parser, pasted = _Parser(), Pasted()
    for text, number in pasted.whole_lines(lines):
        if ", in " in text:
            parser.trace(text, number)
        if worth_reading(text):
            parser.read(text, number)
    starts = parser.finished()
    surroundings, report = pasted.surroundings, pasted.report
    if not starts:
        if not surroundings.line and "vllm" not in report.lower():
            problem = f"has none of the lines vLLM prints when it starts ({pasted.count:,} lines read)"
            raise LogError(path=path, problem=problem)
        starts = (EngineStart(line=0),)
    return StartupLog(path=path, lines=pasted.count, starts=starts, surroundings=surroundings, text=report)


@frozen(kw_only=True)
class _Text:
    line: str
    number: int
    rank: str


@define
class _Parser:
    """Collects one start at a time; a marker that this start already has begins the next one."""

    _done: list[EngineStart] = field(factory=list)
    _start: EngineStart | None = None
    _markers: set[tuple[str, str]] = field(factory=set)
    _gpu: str | None = None

    def read(self, line: str, number: int) -> None:
        peer = PEER.match(line)
        rank = f"{peer['rank']}{' ' + peer['number'] if peer['number'] else ''}" if peer else ""
        text = _Text(line=line, number=number, rank=rank)
        self._identity(text)
        self._failures(text)
        self._readings(text)
        if READY.search(line) and self._start is not None:
            self._start = evolve(self._start, ready=True)

    def trace(self, line: str, number: int) -> None:
        """Calls of a trace: it comes before the error that it ends with."""
        for frame in FRAME.finditer(line):
            name = frame["function"]
            if name in FRAMES:
                start = self._begun(_Text(line=line, number=number, rank=""))
                self._start = start if name in start.frames else evolve(start, frames=(*start.frames, name))

    def finished(self) -> tuple[EngineStart, ...]:
        self._close()
        return tuple(self._done)

    def _close(self) -> None:
        if self._start is not None and (self._start.readings or self._start.failures or self._start.model):
            self._done = [*self._done, self._start][-_MOST_STARTS:]
        self._start, self._markers = None, set()

    def _begun(self, text: _Text, marker: str = "") -> EngineStart:
        """The start this line belongs to: the present one, or the next when its marker repeats."""
        key = (marker, text.rank)
        if marker and key in self._markers:
            self._close()
        if marker:
            self._markers.add(key)
        if self._start is None:
            self._start = EngineStart(line=text.number, gpu=self._gpu)
        return self._start

    def _identity(self, text: _Text) -> None:
        line = text.line
        version = VERSION.search(line)
        if version:
            start = self._begun(text, "version")
            self._start = evolve(start, version=version["version"])
        banner = BANNER_MODEL.search(line)
        if banner:
            start = self._begun(text)
            self._start = evolve(start, model=start.model or banner["model"])
        for pattern, marker in ((NAMESPACE, "arguments"), (NON_DEFAULT, "arguments"), (ENGINE, "engine")):
            match = pattern.search(line)
            if match:
                self._begun(text, marker)
                if pattern is ENGINE:
                    assert self._start is not None
                    self._start = evolve(self._start, version=match["version"])
                self._take(line[match.end() :], asked=pattern is not ENGINE)
        device = DEVICE.search(line) or LISTED_GPU.search(line)
        if device and (self._start is None or self._start.gpu is None):
            self._gpu = device["gpu"].replace("_", " ").strip()
            if self._start is not None:
                self._start = evolve(self._start, gpu=self._gpu)

    def _take(self, text: str, *, asked: bool) -> None:
        """Arguments of one line. What the user asked stands over vLLM's dump of its configuration."""
        assert self._start is not None
        start = self._start
        written = written_values(text)
        found = engine_arguments(written, dumped=not asked)
        before = start.asked or ()
        merged = {**start.arguments, **{name: one for name, one in found.items() if asked or name not in before}}
        model = _text(written, "model") or _text(written, "model_tag")
        if model and (start.model is None or asked):
            start = evolve(start, model=repository_of(model))
        self._start = evolve(
            start,
            arguments=merged,
            asked=tuple(sorted({*before, *found})) if asked else start.asked,
            revision=start.revision or _text(written, "revision"),
            resolved_quantization=start.resolved_quantization if asked else _text(written, "quantization"),
        )

    def _failures(self, text: _Text) -> None:
        for kind in FAILURES:
            match = kind.pattern.search(text.line)
            if match is None:
                continue
            start = self._begun(text)
            known = any(failure.name == kind.name for failure in start.failures)
            if not known and kind.name not in _DETAILS:
                quote = text.line[max(0, match.start() - 80) :].strip()[:_LONGEST_QUOTE]
                failure = Failure(name=kind.name, text=quote, rank=text.rank, line=text.number)
                start = evolve(start, failures=(*start.failures, failure))
            self._start = _with(start, text, match.groupdict(), kind.name)

    def _readings(self, text: _Text) -> None:
        for kind in MEASURED:
            match = kind.pattern.search(text.line)
            if match is not None:
                self._start = _with(self._begun(text), text, match.groupdict(), kind.name)


def _with(start: EngineStart, text: _Text, groups: dict[str, str | None], kind: str) -> EngineStart:
    """The start with one line's numbers."""
    if len(start.readings) >= _MOST_READINGS:
        return start
    found = list(start.readings)
    for name, written in groups.items():
        value = _number(written)
        if value is None:
            continue
        if name == "wanted":
            unit = {"KiB": 2**10, "MiB": 2**20}.get(groups.get("unit") or "", GIB)
            found.append(Reading(name="wanted_bytes", value=round(value * unit), rank=text.rank, line=text.number))
            continue
        size = round(value * GIB) if name.endswith("_bytes") else value
        found.append(Reading(name=name, value=size, rank=text.rank, line=text.number))
    order = start.order if kind in start.order else (*start.order, kind)
    return evolve(start, readings=tuple(found), order=order)


def _number(text: str | None) -> float | None:
    try:
        value = float((text or "").replace(",", ""))
    except ValueError:
        return None
    return value if value <= _LARGEST else None


def _text(written: dict[str, object], name: str) -> str | None:
    value = written.get(name)
    return value if isinstance(value, str) and 0 < len(value) <= 1024 and "\0" not in value else None


def repository_of(model: str) -> str:
    """The Hub id of a snapshot's folder in a Hub cache; any other name as it is."""
    match = _SNAPSHOT.search(model)
    return f"{match[1]}/{match[2]}" if match else model
