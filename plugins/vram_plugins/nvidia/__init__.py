"""NVIDIA's GPUs in this machine, asked through NVML."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later


@hookimpl
def vram_gpu_detectors() -> Iterator[Later]:
    yield Later(names=("nvidia",), load=f"{__name__}.nvml:DETECTOR")
