"""A real start-up log against the estimate: `vram reconcile` and `vram.reconcile`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="reconcile",
        heading="Measurements",
        summary="A real start-up log or a whole report against the estimate; why a start failed.",
        load="vram_plugins.reconcile.command:command",
        library={
            "reconcile": "vram_plugins.reconcile.reconcile:reconcile",
            "Reconciliation": "vram_plugins.reconcile.records:Reconciliation",
        },
    )
