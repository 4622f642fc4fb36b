"""GPUs and overhead profiles, with their sources: `vram profiles`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="profiles",
        heading="What is known",
        summary="GPUs and overhead profiles, with their sources.",
        load="vram_plugins.profiles.command:command",
    )
