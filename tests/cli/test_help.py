"""`--help` of every command: a sentence, an example, options under headings."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest

from vram.cli import cli
from vram.commands.groups import GroupedCommand

GROUPED = ("estimate", "max-context", "max-concurrency", "plan", "compare", "generate", "reconcile")


def commands() -> Iterator[tuple[str, click.Command]]:
    for name in cli.list_commands(click.Context(cli)):
        command = cli.get_command(click.Context(cli), name)
        assert command is not None
        yield name, command


@pytest.mark.parametrize(
    ("name", "command"), list(commands()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_help_has_a_sentence_and_an_example(name: str, command: click.Command) -> None:
    text = command.get_help(click.Context(command, info_name=f"vram {name}"))
    described = text.partition("\n\n")[2]
    assert described.strip()
    assert f"vram {name}" in described, "no example"


@pytest.mark.parametrize("name", GROUPED)
def test_every_option_is_under_a_heading_once(name: str) -> None:
    command = dict(commands())[name]
    assert isinstance(command, GroupedCommand)
    context = click.Context(command, info_name=f"vram {name}", terminal_width=200, max_content_width=200)
    text = command.get_help(context)
    assert "\nAnswer:\n" in text
    assert "\nvLLM's engine arguments, under its names:\n" in text
    rows = [line.split()[0].rstrip(",") for line in text[text.index(":\n  -") :].splitlines() if line.startswith("  -")]
    shown = [each for each in command.get_params(context) if isinstance(each, click.Option) and not each.hidden]
    assert len(rows) == len(set(rows)) == len(shown)
