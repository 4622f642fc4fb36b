"""mkdocs hook: each command's own `--help` in the place of `<!-- commands -->`, so that the page cannot be out of date."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from vram.cli import cli

_PLACE = "<!-- commands -->"
_WIDTH = 80


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill the page that asks for it."""
    return markdown.replace(_PLACE, "\n".join(_sections())) if _PLACE in markdown else markdown


def _sections() -> Iterator[str]:
    for names, command in _commands((), cli):
        program = " ".join(("vram", *names))
        context = click.Context(command, info_name=program, terminal_width=_WIDTH, max_content_width=_WIDTH)
        yield f"{'#' * (len(names) + 1)} {program}\n\n```text\n{command.get_help(context)}\n```\n"


def _commands(names: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    if names or not isinstance(command, click.Group):
        yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _commands((*names, name), inner)
