"""Several models on the same GPUs: `vram share` and `vram.share`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="share",
        heading="Answers",
        summary="Several models on the same GPUs: where, how much of each, in which order.",
        load="vram_plugins.share.command:command",
        library={"share": "vram_plugins.share.share:share", "Sharing": "vram_plugins.share.records:Sharing"},
    )
