"""AMD's GPUs: the platform that vLLM calls rocm."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later


@hookimpl
def vram_gpu_detectors() -> Iterator[Later]:
    """AMD SMI."""
    yield Later(names=("amd",), load=f"{__name__}.smi:DETECTOR")


@hookimpl
def vram_platforms() -> Iterator[Later]:
    """ROCm."""
    yield Later(names=("rocm",), load="vram_plugins.rocm.platform:ROCM")
