"""This machine's GPUs: `vram detect`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="detect",
        heading="Measurements",
        summary="This machine's GPUs, their free memory and the matching profile.",
        load="vram_plugins.detect.command:command",
    )
