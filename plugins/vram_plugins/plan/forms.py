"""Lighter forms of a model: published quantized checkpoints of it, and what vLLM makes while loading."""

from __future__ import annotations

from vram.ask import Variant, online_variants, published_variants
from vram.models.checkpoint import Checkpoint
from vram.models.published import Published
from vram.models.record import evolve
from vram_plugins.plan.candidates import Shape
from vram_plugins.plan.trials import Choice, Level, Setup, Trial, attempt

_LIGHTER = 0.95  # share of the weights from which on a change is not worth it


def lighter_forms(setup: Setup, checkpoint: Checkpoint, own: Level) -> tuple[Variant, ...]:
    """Lighter forms of the model that the GPU has kernels for, the heaviest first; of equals its own publisher's first."""
    if "quantization" in setup.given or checkpoint.manual is not None:
        return ()
    as_is = _alone(setup, own)
    if as_is is None:
        return ()
    publisher = checkpoint.id.partition("/")[0]
    found = []
    for variant in (
        *published_variants(checkpoint.id),
        *online_variants(checkpoint, setup.base.behaviour.version),
    ):
        trial = _alone(setup, evolve(own, variant=variant))
        if trial is None or trial.cell.obstacle in ("architecture", "format"):
            continue
        share = trial.cell.weights_bytes / max(1, as_is.cell.weights_bytes)
        if share < _LIGHTER:
            foreign = variant.published is None or variant.published.id.partition("/")[0] != publisher
            found.append(((-round(share, 1), foreign, variant.published is None, -share), variant))
    return tuple(variant for _, variant in sorted(found, key=lambda pair: pair[0]))


def _alone(setup: Setup, level: Level) -> Trial | None:
    """A level on one GPU, fitting or not."""
    return attempt(setup, Choice(level=level, shape=Shape(), length=setup.job.context_len))


def published_forms(lighter: tuple[Variant, ...], chosen: Variant) -> tuple[Published, ...]:
    """The published checkpoints that are as light as the chosen form, where one is needed."""
    as_light = () if chosen.own else lighter[lighter.index(chosen) :]
    return tuple(each.published for each in as_light if each.published is not None)
