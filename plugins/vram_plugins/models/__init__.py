"""The bundled catalog: `vram models`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="models",
        heading="What is known",
        summary="The bundled catalog: models answered for offline and without a token.",
        load="vram_plugins.models.command:command",
    )
