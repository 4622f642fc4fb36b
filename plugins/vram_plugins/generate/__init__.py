"""The files that deploy an answer: `vram generate`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="generate",
        heading="Answers",
        summary="Files that deploy an answer: a command, compose, Kubernetes, Helm, a profile.",
        load="vram_plugins.generate.command:command",
    )
