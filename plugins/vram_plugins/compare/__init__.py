"""Which hardware runs a model: `vram compare`, as a table, CSV or JSON, and `vram.compare`."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.command import Command


@hookimpl
def vram_commands() -> Iterable[Command]:
    yield Command(
        name="compare",
        heading="Answers",
        summary="Which GPU to rent: what runs it, with least hardware or for least money first.",
        load="vram_plugins.compare.command:command",
        library={
            "compare": "vram_plugins.compare.compare:compare",
            "price_list": "vram_plugins.compare.prices:price_list",
            "PriceList": "vram_plugins.compare.prices:PriceList",
        },
    )
