"""The configurations of docs/how-to/mcp.md are what assistants can read, and start `vram mcp`."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import click
import pytest

from vram.cli import cli

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "mcp.md").read_text()
BLOCKS = re.findall(r"^```(json|toml)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("kind", "text"), BLOCKS)
def test_a_block_is_read_and_starts_the_server(kind: str, text: str) -> None:
    content = json.loads(text) if kind == "json" else tomllib.loads(text)
    if "summary" in content:
        return  # an answer
    ((_, servers),) = content.items()
    assert servers["vram"]["command"] == "vram"
    name, *words = servers["vram"]["args"]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    command.make_context(name, words)  # its options are taken
