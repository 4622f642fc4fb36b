"""From measured start-ups to overhead profiles."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="calibrate",
        heading="Measurements",
        summary="Measure this machine with vLLM and keep the result as a profile.",
        load="vram_plugins.calibrate.command:command",
    )
