"""Ways out of a refused deployment in the words of the contract, and the fix of each failed check."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from vram.ask.changes.axes import MOST_GPUS, other_gpus
from vram.ask.changes.repairs import repairs
from vram.ask.changes.trying import Trials
from vram.ask.changes.ways import Way, ways_out
from vram.ask.limits import limits_of
from vram.estimate.parts import Parts
from vram.estimate.verdict.cell import obstacle_of
from vram.models.estimate import Change, Check, Verdict
from vram.models.record import evolve

_MOST = 8  # more choices are no choice


def with_changes(parts: Parts, verdict: Verdict) -> Verdict:
    """The verdict on a deployment that does not surely start, or fit, with the ways out of it."""
    changes = _changes_for(parts)
    return evolve(
        verdict,
        checks=_fixed(verdict.checks, changes),
        changes=changes,
        no_change=None if changes else _why_none(parts, verdict),
    )


def _changes_for(parts: Parts) -> tuple[Change, ...]:
    """Up to eight ways out, those that give up least first; each was asked, starts and fits."""
    unrepaired, found = Trials(parts), []
    for repair in repairs(parts):
        trials = Trials(parts, base=repair)
        repaired = trials.ask(())
        for way in ways_out(trials, repaired) if repaired is not None else ():
            needed = repair and not unrepaired.holds(way)
            changed = trials.ask(way) if needed or not repair else unrepaired.ask(way)
            if changed is not None:
                found.append(_change((*repair, *way) if needed else way, changed))
    if obstacle_of(parts) == "format":  # as it is, on a GPU that has what it needs
        steps = (step for step in other_gpus(parts) if unrepaired.holds((step,)))
        found += [_change((step,), changed) for step in islice(steps, 1) if (changed := unrepaired.ask((step,)))]
    kept = [change for n, change in enumerate(found) if not any(_covers(other, change) for other in found[:n])]
    least = [change for change in kept if not any(_covers(other, change) for other in kept if other is not change)]
    return tuple(sorted(least, key=lambda change: _takes_hardware(change, parts))[:_MOST])


def _takes_hardware(change: Change, parts: Parts) -> bool:
    """Whether it asks for another GPU or for more of them: never first where a flag does it."""
    asked, present = change.arguments.get, parts.parallel
    ranks = asked("tensor_parallel_size", present.tp) * asked("pipeline_parallel_size", present.pp)
    return "gpu" in change.arguments or ranks > present.tp * present.pp


def _covers(less: Change, more: Change) -> bool:
    """Whether a change is part of another, which then gives up more for nothing."""
    return less.arguments.items() <= more.arguments.items()


def _change(way: Way, changed: Parts) -> Change:
    arguments = {name: value for step in way for name, value in step.arguments.items()}
    return Change(
        arguments=arguments,
        words=" ".join(_words(arguments)),
        gives_up="; ".join(dict.fromkeys(step.gives_up for step in way)),
        limits=limits_of(changed),
    )


def _words(arguments: Mapping[str, Any]) -> Iterable[str]:
    """The arguments as they are typed; those that go are named as left out."""
    for name, value in arguments.items():
        flag = "--" + name.replace("_", "-")
        if value is None:
            yield f"(without {flag})"
        elif isinstance(value, bool):
            yield flag if value else flag.replace("--", "--no-", 1)
        elif isinstance(value, Mapping):
            yield f"{flag} {shlex.quote(json.dumps(dict(value), separators=(',', ':')))}"
        else:
            yield f"{flag} {shlex.quote(format(value, 'g') if isinstance(value, float) else str(value))}"


def _fixed(checks: tuple[Check, ...], changes: tuple[Change, ...]) -> tuple[Check, ...]:
    """The failed checks, each with the first change of one flag, which starts; without one, with none."""
    alone = next((change.words for change in changes if len(change.arguments) == 1), None)
    return tuple(check if check.passed else evolve(check, fix=alone) for check in checks)


def _why_none(parts: Parts, verdict: Verdict) -> str:
    failed = next((check.message for check in verdict.checks if not check.passed), "it does not surely start and fit")
    searched = f"other settings, lengths, published checkpoints, up to {MOST_GPUS} GPUs and other GPUs were tried"
    if obstacle_of(parts) == "format":
        searched = "other dtypes, cache dtypes and GPUs were tried"
    if obstacle_of(parts) == "architecture":
        searched = "no argument gives a release a model"
    return f"No change that is known here lets it start ({searched}): {failed}."
