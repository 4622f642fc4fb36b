"""Which quantization fits my card: `vram quantizations` and `vram.quantizations`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="quantizations",
        heading="Answers",
        summary="Which quantization of a model fits these GPUs, and what each would hold.",
        load="vram_plugins.quantizations.command:command",
        library={
            "quantizations": "vram_plugins.quantizations.forms:quantizations",
            "Quantizations": "vram_plugins.quantizations.records:Quantizations",
        },
    )
