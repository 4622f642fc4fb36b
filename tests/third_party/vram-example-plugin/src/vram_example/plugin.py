"""The hooks of this package."""

from __future__ import annotations

from collections.abc import Iterable

from vram import hookimpl
from vram.models.later import Later
from vram.models.profile import Gpu, OverheadProfile


@hookimpl
def vram_quantization_schemes() -> Iterable[Later]:
    return [Later(names=("three_bit",), load="vram_example.three_bit:ThreeBitScheme")]


@hookimpl
def vram_overhead_profiles() -> Iterable[OverheadProfile]:
    gpu = Gpu(
        name="Example 100",
        family="example",
        memory_bytes=48 * 2**30,
        compute_capability=(9, 0),
        bandwidth=2e12,
        aliases=("example100",),
        source="made up",
    )
    return [OverheadProfile(name="example", gpus=(gpu,), calibrated=False, fragmentation_factor=1.15, source="made up")]
