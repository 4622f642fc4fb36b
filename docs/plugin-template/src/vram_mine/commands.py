"""What `vram --help` reads of this package. Put nothing else here; delete it if you add no command."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(name="my-command", summary="What it does, in a line.", load="vram_mine.my_command:command")
