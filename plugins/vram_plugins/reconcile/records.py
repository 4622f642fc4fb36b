"""A log beside its prediction, as records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from vram.models.estimate import Change
from vram.models.interval import Interval
from vram.models.record import frozen
from vram_plugins.logs.records import EngineStart, Reading
from vram_plugins.logs.stages import WORDS, Stage
from vram_plugins.reconcile.told import Told


@frozen(kw_only=True)
class Component:
    """One quantity, logged and predicted: bytes, tokens or a ratio (`unit`), and why they differ."""

    name: str
    unit: str
    logged: float
    predicted: float
    low: float
    high: float
    explanation: str = ""

    @property
    def difference(self) -> float:
        """Predicted less logged."""
        return self.predicted - self.logged

    @property
    def inside(self) -> bool:
        """Whether the logged value lies in the predicted interval, to the two digits that logs have."""
        slack = 0.0055 * 2**30 if self.unit == "bytes" else 0.005 * abs(self.predicted)
        return self.low - slack <= self.logged <= self.high + slack


@frozen(kw_only=True)
class Finding:
    """What went wrong and the change that helps; `fix` is a flag where one does."""

    name: str
    message: str
    fix: str | None = None


@frozen(kw_only=True)
class Reconciliation:
    """A log against the estimate. `components` is empty where nothing could be predicted, and `problem` says why.

    `stage` is where a start failed; `changes` are complete sets of arguments with which the same question is answered "starts and
    fits", on the machine as the log shows it. `told` is what the text says beside the log.
    """

    path: str
    start: EngineStart
    starts: int
    model: str | None = None
    gpu: str | None = None
    gpu_memory_bytes: int | None = None
    vllm_version: str | None = None
    profile: str | None = None
    components: tuple[Component, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    stage: Stage | None = None
    changes: tuple[Change, ...] = ()
    no_change: str | None = None
    told: Told = Told()
    problem: str | None = None
    saved: str | None = None

    def component(self, name: str) -> Component | None:
        """The component of that name."""
        return next((one for one in self.components if one.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, numbers and text, for JSON."""
        return {
            "schema_version": 1,
            "log": {
                "path": self.path,
                "engine_starts": self.starts,
                "first_line": self.start.line,
                "vllm_version": self.start.version,
                "model": self.start.model,
                "gpu": self.start.gpu,
                "arguments": {name: _plain(value) for name, value in self.start.arguments.items()},
                "readings": [_reading(one) for one in self.start.readings],
                "failures": [
                    {"name": f.name, "text": f.text, "rank": f.rank, "line": f.line} for f in self.start.failures
                ],
                "ready": self.start.ready,
            },
            "prediction": {
                "model": self.model,
                "gpu": self.gpu,
                "gpu_memory_bytes": self.gpu_memory_bytes,
                "vllm_version": self.vllm_version,
                "profile": self.profile,
                "problem": self.problem,
            },
            "components": [_component(one) for one in self.components],
            "stage": {"name": self.stage, "words": WORDS[self.stage]} if self.stage else None,
            "changes": [_plain_change(one) for one in self.changes],
            "no_change": self.no_change,
            "report": _report(self.told),
            "findings": [{"name": f.name, "message": f.message, "fix": f.fix} for f in self.findings],
            "notes": list(self.notes),
            "saved": self.saved,
        }


def _plain_change(one: Change) -> dict[str, Any]:
    limits = {
        "max_context_at_concurrency": one.limits.max_context_at_concurrency,
        "max_concurrency_at_context": one.limits.max_concurrency_at_context,
    }
    arguments = {name: _plain(value) for name, value in one.arguments.items()}
    return {"arguments": arguments, "words": one.words, "gives_up": one.gives_up, "limits": limits}


def _report(told: Told) -> dict[str, Any]:
    """What was found beside the log; nothing that may be a secret."""
    command, machine = told.command, told.surroundings
    return {
        "command": command
        and {
            "line": told.line,
            "kind": told.kind,
            "model": command.model,
            "arguments": {name: _plain(value) for name, value in command.engine_args.items() if name != "environment"},
            "vllm_version": command.vllm_version,
            "problem": told.problem,
        },
        "vllm_version": machine.vllm_version,
        "driver": machine.driver,
        "gpus": [{"name": g.name, "total_bytes": g.total_bytes, "used_bytes": g.used_bytes} for g in machine.gpus],
    }


def _reading(one: Reading) -> dict[str, Any]:
    return {"name": one.name, "value": _number(one.value), "rank": one.rank, "line": one.line}


def _component(one: Component) -> dict[str, Any]:
    return {
        "name": one.name,
        "unit": one.unit,
        "logged": _number(one.logged),
        "predicted": {"low": _number(one.low), "expected": _number(one.predicted), "high": _number(one.high)},
        "difference": _number(one.difference),
        "inside": one.inside,
        "explanation": one.explanation,
    }


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else round(value, 4)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(v) for v in value]
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)


def measured(name: str, logged: float | None, predicted: Interval, explanation: str = "") -> Iterable[Component]:
    """A component in bytes where the log has it."""
    if logged is not None:
        yield Component(
            name=name,
            unit="bytes",
            logged=logged,
            predicted=predicted.expected,
            low=predicted.low,
            high=predicted.high,
            explanation=explanation,
        )
