"""What changes when vLLM is upgraded: `vram upgrade` and `vram.upgrade`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="upgrade",
        heading="Answers",
        summary="What changes from one vLLM to another: memory, limits, defaults, flags; and why.",
        load="vram_plugins.upgrade.command:command",
        library={
            "upgrade": "vram_plugins.upgrade.upgrade:upgrade",
            "Upgrade": "vram_plugins.upgrade.records:Upgrade",
        },
    )
