"""Every vLLM server of a repository, answered: `vram check` and `vram.check`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="check",
        heading="Answers",
        summary="Every vLLM server in files and folders: does it start and fit? For CI.",
        load="vram_plugins.check.command:command",
        library={"check": "vram_plugins.check.checking:check", "Finding": "vram_plugins.check.records:Finding"},
    )
