"""GGUF files: a header that holds the model's dimensions and the type of every tensor."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later


@hookimpl
def vram_checkpoint_formats() -> Iterator[Later]:
    yield Later(names=(".gguf",), load=f"{__name__}.checkpoint:Gguf")
