"""`vram weights-share` and `vram.weights_share`."""

from __future__ import annotations

from typing import Any

import click

import vram
from vram.commands import (
    GroupedCommand,
    engine_options,
    estimate_from,
    hardware_options,
    model_options,
    workload_options,
)
from vram.models.estimate import Estimate


def weights_share(model: str, **arguments: Any) -> float:
    """The share of a GPU's memory that the weights take, from 0 up. Arguments as `vram.estimate`. Raises VramError."""
    return _share(vram.estimate(model, **arguments))


@click.command("weights-share", cls=GroupedCommand)
@model_options
@hardware_options
@engine_options
@workload_options
def command(**options: Any) -> None:
    """How much of each GPU do the weights of MODEL take?

    \b
    vram weights-share Qwen/Qwen3-8B --gpu H100
    """
    click.echo(f"{_share(estimate_from(options)):.0%}")


def _share(estimate: Estimate) -> float:
    return estimate.memory.weights.expected / estimate.deployment.gpu_memory_bytes
