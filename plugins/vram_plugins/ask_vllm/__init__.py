"""The installed vLLM asked itself: `vram estimate MODEL --ask-vllm`."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later


@hookimpl
def vram_engines() -> Iterator[Later]:
    """Its name."""
    yield Later(names=("vllm",), load=f"{__name__}.engine:InstalledVllm")
