"""A plan without targets of speed: the fewest GPUs that start and hold the work, and why so many."""

from __future__ import annotations

from vram.ask import own_variant
from vram.errors import InputError, ParallelismError, QuantizationError
from vram.models.deployment import EngineArgs
from vram.models.plan import Plan
from vram.models.record import evolve
from vram.units import counted
from vram_plugins.plan.candidates import counts_up_to
from vram_plugins.plan.forms import lighter_forms, published_forms
from vram_plugins.plan.job import most_gpus
from vram_plugins.plan.nearest import (
    almost,
    best_trials,
    described,
    is_near,
    nearest,
    refused,
    with_all_gpus,
    with_fewer_gpus,
)
from vram_plugins.plan.reasons import obstacle_of
from vram_plugins.plan.recommend import recommendation
from vram_plugins.plan.search import choices, first_fit, levels_of
from vram_plugins.plan.trials import Level, Setup, Trial, tried

_MOST_OPTIONS = 3


def planned_without_targets(setup: Setup, args: EngineArgs, gpus: int | None) -> Plan:
    """The first deployment, from least hardware and least change on, that holds the work; or why there is none. Raises VramError."""
    most, checkpoint = most_gpus(gpus, args), setup.base.checkpoint
    own = tuple(levels_of(setup, (own_variant(checkpoint, args.quantization),)))
    length, counts = setup.job.context_len, counts_up_to(most, setup.pinned)
    lighter = lighter_forms(setup, checkpoint, own[0])
    levels = (*own, *levels_of(setup, lighter))
    base = Plan(
        model=checkpoint.id,
        gpu=setup.hardware.gpu.name,
        gpu_memory_bytes=setup.hardware.memory_bytes,
        most_gpus=most,
        job=setup.job,
        recommendation=None,
    )
    found = first_fit(setup, levels, counts, length)
    if found is None:
        closest = most_of(setup, levels[0], counts, length)
        options = nearest(setup, levels, closest, most, length)
        shown = () if closest is None else (refused(setup, closest),)
        return evolve(base, obstacle=_why_not(setup, levels[0], counts, closest), options=options, refused=shown)
    level = found.choice.level
    fewer = _fewer(setup, found, counts)
    recommended = recommendation(
        setup,
        found,
        hardware_reason=_hardware_reason(found, counts, fewer, _change_reason(setup, levels, level, counts)),
        published=published_forms(lighter, level.variant),
    )
    options = (
        *(almost(setup, fewer) if fewer is not None else ()),
        *with_all_gpus(setup, gpus or 0, found),
        *with_fewer_gpus(setup, levels[levels.index(level) + 1 :], found),
    )
    shown = () if fewer is None else (refused(setup, fewer),)
    return evolve(base, recommendation=recommended, options=options[:_MOST_OPTIONS], refused=shown)


def _hardware_reason(found: Trial, counts: tuple[int, ...], fewer: Trial | None, change: str) -> str:
    """Why so many GPUs, and why the model is changed where it is."""
    gpus = found.choice.shape.gpus
    if gpus == counts[0]:
        return ("one is enough" if gpus == 1 else "as many as the parallel sizes given take") + change
    name = counts[counts.index(gpus) - 1]
    if fewer is None:
        return f"{'one' if name == 1 else name} cannot share the model as asked{change}"
    near = f" (so close that {counted(name, 'GPU')} with a little less is the better buy)" if is_near(fewer) else ""
    return f"{'one' if name == 1 else name} would not do: {obstacle_of(fewer.cell, fewer)}{near}{change}"


def _change_reason(setup: Setup, levels: tuple[Level, ...], level: Level, counts: tuple[int, ...]) -> str:
    """Why the model is not run as it is, as a sentence; "" where it is."""
    if level == levels[0]:
        return ""
    stored = described(level)
    why = _why_not(setup, levels[0], counts, most_of(setup, levels[0], counts, setup.job.context_len))
    return f". {stored[0].upper()}{stored[1:]}, since as it is, {why}"


def _fewer(setup: Setup, found: Trial, counts: tuple[int, ...]) -> Trial | None:
    """The closest that the next smaller number of GPUs comes; None where there is none, or the model cannot be divided so."""
    fewer = [count for count in counts if count < found.choice.shape.gpus]
    return _closest(setup, found.choice.level, fewer[-1], setup.job.context_len) if fewer else None


def _why_not(setup: Setup, level: Level, counts: tuple[int, ...], closest: Trial | None) -> str:
    """Why nothing fits, told of the model as it is on as many GPUs as may be."""
    if closest is None:
        return refusal_of(setup, level, counts)
    why, count = obstacle_of(closest.cell, closest), closest.choice.shape.gpus
    if closest.cell.obstacle in ("architecture", "format", "max_model_len"):
        return why  # whatever the number
    return f"even on {count} GPUs, {why}" if count > 1 else f"on one GPU, {why}"


def refusal_of(setup: Setup, level: Level, counts: tuple[int, ...]) -> str:
    """Why vLLM could be asked for a level on no number of GPUs: what it says of the arguments, else that no size divides the model."""
    for count in counts:
        for choice in choices(setup, level, count, setup.job.context_len, setup.highest_utilization):
            try:
                tried(setup, choice)
            except ParallelismError:
                continue
            except (InputError, QuantizationError) as error:
                return str(error).rstrip(".")
    return "the parallel sizes given do not divide the model's heads, layers or widths"


def most_of(setup: Setup, level: Level, counts: tuple[int, ...], length: int) -> Trial | None:
    """The closest trial on as many GPUs as the model can be divided over."""
    return next((t for count in reversed(counts) if (t := _closest(setup, level, count, length))), None)


def _closest(setup: Setup, level: Level, count: int, length: int) -> Trial | None:
    """The trial on so many GPUs that lacks least; of one replica, which is what a reason is about."""
    trials = [trial for trial in best_trials(setup, level, count, length) if not trial.cell.surely_fits]
    return max(trials, key=lambda one: (one.cell.starts, -one.choice.shape.dp, one.cell.headroom_bytes), default=None)
