"""How far it reaches: `vram max-concurrency`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="max-concurrency",
        heading="Answers",
        summary="The most users that fit at a context length.",
        load="vram_plugins.max_concurrency.command:command",
    )
