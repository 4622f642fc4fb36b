"""What `vram --help` reads of this package: nothing but the command's name, its line, and where it is."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="weights-share",
        summary="How much of each GPU a model's weights take.",
        load="vram_example.weights_share:command",
        library={"weights_share": "vram_example.weights_share:weights_share"},
    )
