"""What is wrong with one command of a plugin: sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator

import vram
from vram.models.command import PROMISED, Command
from vram.plugin.blame import STUMBLES
from vram.plugin.lazy import named

_WORD = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_LINE = 80


def command_problems(command: Command) -> Iterator[str]:
    """A word to type, one line for `--help`, and names that mean what they should; none of vram's own."""
    from vram.plugin.own import OWN

    if not _WORD.fullmatch(command.name):
        yield f"{command.name!r} is not a word of small letters, digits and hyphens"
    if command.name in {own.name for own in OWN}:
        yield f"{command.name!r} is a command of vram itself"
    for part, text in (("summary", command.summary), ("heading", command.heading)):
        if not text.strip() or "\n" in text or len(text) > _LONGEST_LINE:
            yield f"{command.name}: the {part} is not one line of at most {_LONGEST_LINE} characters"
    yield from _load_problems(command)
    for name, path in command.library.items():
        if not name.isidentifier() or name.startswith("_"):
            yield f"{command.name}: {name!r} is no name for the library"
        if name in vram.__all__ and name not in PROMISED:
            yield f"{command.name}: vram.{name} is vram's own"
        try:
            named(path)
        except STUMBLES as error:  # whatever an import raises is the finding
            yield f"{command.name}: {path} cannot be loaded: {type(error).__name__}: {error}"


def _load_problems(command: Command) -> Iterator[str]:
    import click

    try:
        loaded = named(command.load)
    except STUMBLES as error:  # whatever an import raises is the finding
        yield f"{command.name}: {command.load} cannot be loaded: {type(error).__name__}: {error}"
        return
    if not isinstance(loaded, click.Command):
        yield f"{command.name}: {command.load} is a {type(loaded).__name__}, not a click command"
