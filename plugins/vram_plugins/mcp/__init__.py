"""What `vram mcp` serves: the library's answers as tools of the Model Context Protocol, for assistants and agents."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="mcp",
        heading="Answers",
        summary="The same answers as tools for assistants and agents (MCP).",
        load="vram_plugins.mcp.command:command",
    )
