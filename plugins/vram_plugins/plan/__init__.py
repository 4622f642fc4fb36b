"""How to run a model: `vram plan`, as a table or JSON, and `vram.plan`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="plan",
        heading="Answers",
        summary="How to run it: flags that start and fit, on the fewest GPUs, with the reasons.",
        load="vram_plugins.plan.command:command",
        library={"plan": "vram_plugins.plan.plan:plan", "speed_curve": "vram_plugins.targets.curve:speed_curve"},
    )
