"""Sentences about files in which a server may have been missed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from vram.serving import printable
from vram_plugins.check.secrets import sayable

_MOST_NAMED = 5


def unread_in(files: list[str]) -> tuple[str, ...]:
    """A sentence about files that no reader understood and that seem to run vLLM."""
    if not files:
        return ()
    several = len(files) > 1
    return (f"{len(files)} file{'s' * several} {'name' if several else 'names'} vLLM's command or image, and no server was read in "
            f"{'them' if several else 'it'}: {_named(files)}",)  # fmt: skip


def read_without(files: Mapping[str, list[str]]) -> Iterator[str]:
    """A sentence about each fault of a plugin's reader, and the files that were read without it."""
    for fault, of in files.items():
        yield f"{sayable(fault.rstrip('.'))}; read without it: {_named(of)}"


def _named(files: list[str]) -> str:
    more = f" and {len(files) - _MOST_NAMED} more" if len(files) > _MOST_NAMED else ""
    return f"{', '.join(printable(file) for file in files[:_MOST_NAMED])}{more}"
