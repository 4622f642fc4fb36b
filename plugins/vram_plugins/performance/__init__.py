"""How fast it answers: `vram performance`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="performance",
        heading="Answers",
        summary="Time to first token, time per token and throughput under a load.",
        load="vram_plugins.performance.command:command",
    )
