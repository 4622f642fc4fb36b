"""What is one size too small for targets, and what comes closest where nothing keeps them: each with its reason and its command."""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.plan import Option
from vram.models.record import evolve, frozen
from vram.units import counted
from vram_plugins.plan.candidates import counts_up_to
from vram_plugins.plan.meeting import Aims, Candidate, Fleet, fleet_of
from vram_plugins.plan.nearest import best_trials, option_of
from vram_plugins.plan.reasons import obstacle_of
from vram_plugins.plan.shortfall import excess, nearness, shortfall
from vram_plugins.plan.trials import Level, Setup, Trial
from vram_plugins.plan.untimed import most_of, refusal_of


@frozen(kw_only=True, eq=False)
class Met:
    """What was found at one level: every candidate that starts, and the fleet that serves the goal best."""

    level: Level
    candidates: tuple[Candidate, ...]
    fleet: Fleet | None


@frozen(kw_only=True, eq=False)
class Smaller:
    """A deployment that does not do: why, on how many GPUs, and a replica of it."""

    reason: str
    gpus: int
    trial: Trial


def smaller_than(setup: Setup, met: Met, aims: Aims) -> Iterator[Smaller]:
    """A server less than the fleet of a level, and smaller servers on fewer GPUs."""
    fleet = met.fleet
    assert fleet is not None
    shape = fleet.candidate.shape
    if aims.targets.goal == "cost" and fleet.servers > 1:
        fewer = fleet.servers - 1
        reason = shortfall(fleet.candidate, fewer, aims)
        yield Smaller(reason=reason, gpus=fewer * shape.gpus, trial=fleet.candidate.trial)
    others = [(one, (fleet.gpus - 1) // one.shape.gpus) for one in met.candidates if one.shape.gpus < shape.gpus]
    if not others:
        yield from _cannot_start(setup, met.level, shape.gpus)
        return
    best, servers = max(others, key=lambda pair: nearness(pair[0], pair[1], aims))
    if servers and fleet_of(best, setup, evolve(aims, most_gpus=servers * best.shape.gpus)) is None:
        yield Smaller(reason=shortfall(best, servers, aims), gpus=servers * best.shape.gpus, trial=best.trial)


def fleet_option(setup: Setup, trial: Trial, title: str, gpus: int) -> Option:
    """A replica's trial as an option of so many GPUs in all, with the users of that replica."""
    return evolve(option_of(setup, trial, title), gpus=gpus, concurrency=trial.question.deployment.concurrency)


def why_not(setup: Setup, found: list[Met], aims: Aims) -> str:
    """Why nothing keeps the targets, told of what comes closest."""
    seen = [candidate for met in found for candidate in met.candidates]
    if not seen:
        level = found[0].level
        closest = most_of(setup, level, aims.sizes, setup.job.context_len)
        return refusal_of(setup, level, aims.sizes) if closest is None else obstacle_of(closest.cell, closest)
    pairs = [(one, max(1, aims.most_gpus // one.shape.gpus)) for one in seen]
    best, servers = min(pairs, key=lambda pair: excess(pair[0], pair[1], aims))
    return shortfall(best, servers, aims)


def _cannot_start(setup: Setup, level: Level, gpus: int) -> Iterator[Smaller]:
    """The next smaller server, where none of fewer GPUs starts."""
    for count in [count for count in counts_up_to(gpus, setup.pinned) if count < gpus][-1:]:
        trials = best_trials(setup, level, count, setup.job.context_len)
        trial = max(trials, key=lambda one: (one.cell.starts, one.cell.headroom_bytes), default=None)
        if trial is not None and not trial.cell.surely_fits:
            reason = f"{counted(count, 'GPU')} would not do: {obstacle_of(trial.cell, trial)}"
            yield Smaller(reason=reason, gpus=count, trial=trial)
