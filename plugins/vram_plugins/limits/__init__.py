"""How far it reaches: `vram max-context` and `vram max-concurrency`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    for name, summary in (
        ("max-context", "The largest context that fits at a number of users."),
        ("max-concurrency", "The most users that fit at a context length."),
    ):
        load = f"vram_plugins.limits.{name.replace('-', '_')}:command"
        yield Command(name=name, heading="Answers", summary=summary, load=load)
