"""Models of transformers that no adapter knows, built on the meta device (the extra `[graph]`)."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later


@hookimpl
def vram_inventory_sources() -> Iterator[Later]:
    yield Later(names=("transformers",), load=f"{__name__}.meta:Transformers")
