"""The page that `vram web` serves: the library's answers in a browser, from the standard library's HTTP server alone."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="web",
        heading="Answers",
        summary="The same answers as a page on this machine: look and drag.",
        load="vram_plugins.web.command:command",
    )
