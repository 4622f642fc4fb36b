"""What a deployment that fits could have besides, and what each costs: `vram additions` and `vram.additions`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="additions",
        heading="Answers",
        summary="What sleep mode, LoRA slots or a draft would cost a deployment that fits.",
        load="vram_plugins.additions.command:command",
        library={
            "additions": "vram_plugins.additions.additions:additions",
            "Additions": "vram_plugins.additions.records:Additions",
        },
    )
