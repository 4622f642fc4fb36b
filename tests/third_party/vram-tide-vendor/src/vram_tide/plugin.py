"""What Tide's accelerators have: attention in blocks of 128 tokens, no fp8 weights, experts a multiple of 256 wide, rows that loading
moves apart by 64 bytes, and a driver that tells one of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files

from vram import hookimpl
from vram.architecture.backends import AttentionTable, Backend, Need
from vram.architecture.blocks import Blocks
from vram.models.detected import DetectedGpu, GpuDetector
from vram.models.parameters import LocalExperts
from vram.models.platform import Chip, Devices, Leftover, Matrix, Platform
from vram.models.profile import OverheadProfile
from vram.models.record import evolve
from vram.profiles import read_profile
from vram.quantization.target import Target

Version = tuple[int, int, int]
_ATTENTION = Backend(
    name="TIDE_ATTN",
    blocks=lambda _: Blocks(sizes=(128,)),
    features=frozenset({"sliding_window", "sinks"}),
)


def _backends(need: Need) -> tuple[Backend, ...]:
    return () if need.latent else (_ATTENTION,)


def _problem(chip: Chip, method: str, version: Version) -> str:
    del version
    return f"Tide {chip.architecture} has no kernel for {method} weights" if method.startswith("fp8") else ""


def _experts(weights: str, shape: LocalExperts, target: Target) -> LocalExperts:
    del weights, target
    return evolve(shape, intermediate_size=-(-shape.intermediate_size // 256) * 256)


def _loading(layers: tuple[tuple[Matrix, ...], ...], chip: Chip, version: Version) -> Leftover:
    del chip, version
    return Leftover(shown=sum(64 * matrix.rows for layer in layers for matrix in layer))


@hookimpl
def vram_platforms() -> Iterator[Platform]:
    """Tide."""
    yield Platform(
        name="tide",
        title="Tide accelerators",
        runtime="Tide",
        models=lambda architecture: architecture == "t1",
        problem=_problem,
        attention=AttentionTable(candidates=_backends, by_name={"TIDE_ATTN": _ATTENTION}.get),
        experts=_experts,
        loading=_loading,
        variables={"TIDE_TURBO": ((0, 6, 0), (999, 0, 0))},
        devices=Devices(
            resource="tide.example/npu", product_label="tide.example/product", image="tide/vllm", paths=("/dev/tide0",)
        ),
    )


@hookimpl
def vram_overhead_profiles() -> Iterator[OverheadProfile]:
    """Its accelerators."""
    yield read_profile(files("vram_tide") / "tide.toml")


@hookimpl
def vram_gpu_detectors() -> Iterator[GpuDetector]:
    """Its driver, which always finds one."""
    yield GpuDetector(name="tide", detect=lambda: (DetectedGpu(index=0, name="Tide T1 Accelerator"),))
