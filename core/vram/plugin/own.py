"""The commands that answer a question. Others are plugins': see `vram.plugin.commands`."""

from __future__ import annotations

from vram.models.command import Command

#: in the order of `vram --help`
OWN = tuple(
    Command(name=name, heading=heading, summary=summary, load=f"vram.cli.{name.replace('-', '_')}:command")
    for heading, name, summary in (
        ("Answers", "estimate", "Will it start, and what will it hold? Per GPU, before you rent it."),
        ("What is known", "plugins", "What is loaded, from which package, and what failed."),
    )
)
