"""How far it reaches: `vram max-context`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="max-context",
        heading="Answers",
        summary="The largest context that fits at a number of users.",
        load="vram_plugins.max_context.command:command",
    )
