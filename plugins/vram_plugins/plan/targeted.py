"""`vram.plan` with targets of speed: the servers that keep them, from the model as it is on, and what is one size too small."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vram.errors import InputError
from vram.models.plan import Option, Plan
from vram.models.published import Published
from vram.models.record import evolve
from vram.units import counted
from vram_plugins.plan.candidates import GPUS_PER_MACHINE
from vram_plugins.plan.fleet_plan import planned_replica, recommended_fleet
from vram_plugins.plan.forms import published_forms
from vram_plugins.plan.meeting import Aims, Candidate, Fleet, best_of, bounded, candidates, fleet_of
from vram_plugins.plan.nearest import described
from vram_plugins.plan.smaller import Met, fleet_option, smaller_than, why_not
from vram_plugins.plan.trials import Level, Setup

_MOST_LIGHTER = 3


def plan_for_targets(setup: Setup, levels: tuple[Level, ...], aims: Aims) -> Plan:
    """The plan of the first level that keeps the targets, with lighter ones that are cheaper as other ways.

    Raises VramError for a GPU whose speed is not known.
    """
    base = Plan(
        model=setup.base.checkpoint.id,
        gpu=setup.hardware.gpu.name,
        gpu_memory_bytes=setup.hardware.memory_bytes,
        most_gpus=aims.most_gpus,
        job=setup.job,
        recommendation=None,
        targets=aims.targets,
        lengths=aims.lengths,
    )
    setup = evolve(setup, job=evolve(setup.job, concurrency=1))  # how many a replica takes is what is looked for
    found = met_first(setup, levels, aims)
    met = found[-1]
    if met.fleet is None:
        return evolve(base, obstacle=why_not(setup, found, aims))
    change = ""
    if len(found) > 1:
        stored = described(met.level)
        change = f". {stored[0].upper()}{stored[1:]}, since as it is, {why_not(setup, found[:1], aims)}"
    smaller = tuple(smaller_than(setup, met, aims))
    return evolve(
        base,
        recommendation=recommended_fleet(setup, met, aims, smaller, change=change, published=_published(levels, met)),
        options=tuple(_lighter(setup, levels[len(found) :], met.fleet, aims)),
        refused=tuple(fleet_option(setup, each.trial, each.reason, each.gpus) for each in smaller),
    )


def _published(levels: tuple[Level, ...], met: Met) -> tuple[Published, ...]:
    """The published checkpoints that are as light as the chosen form, where one is needed."""
    forms = tuple(dict.fromkeys(level.variant for level in levels if not level.variant.own))
    return () if met.level.variant.own else published_forms(forms, met.level.variant)


def _lighter(setup: Setup, levels: tuple[Level, ...], fleet: Fleet, aims: Aims) -> Iterator[Option]:
    """Forms of the model that keep the targets for less, each cheaper than the one before."""
    if aims.targets.goal != "cost" or fleet.gpus == 1 or not aims.lighter:
        return
    for level in _worth_a_look(levels):
        other = met_at(setup, level, evolve(aims, most_gpus=fleet.gpus - 1)).fleet
        if other is None or (fleet.price is not None and (other.price is None or other.price >= fleet.price)):
            continue
        fleet = other
        _, trial = planned_replica(setup, fleet, aims)
        gpus = counted(fleet.candidate.shape.gpus, "GPU")
        yield fleet_option(setup, trial, f"{fleet.servers} × {gpus} {described(level)}", fleet.gpus)
        if fleet.gpus == 1:
            return


def _worth_a_look(levels: tuple[Level, ...]) -> Iterator[Level]:
    """A few of many lighter forms: each in the cache dtype of its own, of equal quantizations one, and the model itself with fp8."""
    seen = set[str | None]()
    for level in levels:
        variant = level.variant
        stored = variant.published.quantization if variant.published is not None else variant.quantization
        if stored not in seen and len(seen) < _MOST_LIGHTER and (variant.own or level.kv_cache_dtype == "auto"):
            seen.add(stored)
            yield level


def check_timed(setup: Setup) -> None:
    """Raises InputError where no time can be predicted."""
    if setup.base.spec.runner == "pooling":
        problem = "generates no tokens, and targets are of first and further tokens"
        raise InputError(name="model", value=setup.base.checkpoint.id, problem=problem)


def met_first(setup: Setup, levels: Iterable[Level], aims: Aims) -> list[Met]:
    """Levels one after another, up to the first that keeps the targets. Raises VramError for a GPU whose speed is not known."""
    found: list[Met] = []
    for level in levels:
        found.append(met_at(setup, level, aims))
        if found[-1].fleet is not None:
            break
    return found


def met_at(setup: Setup, level: Level, aims: Aims) -> Met:
    """The best fleet of a level: servers within one machine, or of several where nothing smaller starts."""
    seen: list[Candidate] = []
    fleets: list[Fleet] = []
    for count in aims.sizes:
        if count > aims.most_gpus or (seen and count > GPUS_PER_MACHINE):
            break
        if aims.targets.goal == "cost" and any(fleet.gpus < count for fleet in fleets):
            break  # so many GPUs for one server are more than for all of those
        for candidate in candidates(setup, level, count, aims):
            seen.append(candidate)
            fleet = fleet_of(candidate, setup, bounded(aims, fleets, candidate))
            fleets += [fleet] if fleet is not None else []
    return Met(level=level, candidates=tuple(seen), fleet=best_of(fleets, aims))
