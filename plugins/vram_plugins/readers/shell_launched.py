"""What a command of a script starts, with the wrappers around it taken off so far."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vram.models.record import field, frozen
from vram_plugins.readers.slurm import Allocation

ASSIGNED = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


@frozen(kw_only=True)
class Launched:
    """What a command starts; `argv` may hold marks. `script` is a text for a shell that it passes on (`ssh host '…'`)."""

    argv: tuple[str, ...] = ()
    image: str | None = None
    name: str = ""
    replaces: bool = False
    contained: bool = False
    environment: dict[str, str] = field(factory=dict, repr=False)
    environment_files: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    gpus: int | None = None
    allocation: Allocation | None = None
    script: str | None = None


def behind(words: Sequence[str], values: frozenset[str] | set[str]) -> list[str]:
    """The words behind options, of which `values` take a word."""
    index = 0
    while index < len(words) and words[index].startswith("-"):
        if words[index] == "--":
            index += 1
            break
        index += 1 + (words[index] in values)
    return list(words[index:])


def pairs(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        yield name, value if equals else words[index + 1] if index + 1 < len(words) else ""
