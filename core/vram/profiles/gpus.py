"""The `[[gpus]]` tables of a profile file, with the MIG slices and vGPU profiles each of them lists."""

from __future__ import annotations

from typing import get_args

from vram.models.platform import CUDA, Chip
from vram.models.profile import RATES, Gpu, Link
from vram.models.record import evolve
from vram.plugin.conform import problem_of
from vram.profiles.table import PROVENANCES, Table
from vram.units import GIB, gib

KINDS = ("data centre", "workstation", "consumer", "laptop", "embedded", "partition")
MEMORY_SLICES = 8
"""A GPU that can be split (MIG) has eight memory slices (NVIDIA MIG user guide, "Concepts")."""


def read_gpus(
    table: Table, family: str, capability: tuple[int, ...], source: str, platform: str = CUDA
) -> tuple[Gpu, ...]:
    """The GPU of one table, its MIG slices and its vGPU profiles. Raises ProfileError.

    `capability` (major, minor), `source` and `platform` hold where the table has none of its own.
    """
    memory = int(table.number("memory_gib", at_least=0.25) * GIB)
    readings = tuple(sorted(int(reading * GIB) for reading in table.numbers("readings_gib")))
    rates = table.table("dense_tflops")
    rate, link = _link(table)
    slices = table.tables("mig")
    vgpus = table.tables("vgpu")
    gpu = Gpu(
        name=table.text("name"),
        family=family,
        memory_bytes=memory,
        memory_readings=readings,
        memory_provenance=table.choice("memory_provenance", PROVENANCES, default="measured" if readings else "assumed"),  # type: ignore[arg-type]
        memory_source=table.text("memory_source", default=""),
        compute_capability=_capability(table, capability, platform),
        bandwidth=table.number("bandwidth_gb_s", at_least=1.0) * 1e9,
        dense_flops=tuple((dtype, rates.number(dtype) * 1e12) for dtype in RATES if dtype in rates),
        interconnect=rate,
        link=link,
        sm_count=table.integer("sm_count", default=0) or None,
        board_power=table.number("board_power_w", default=0.0) or None,
        kind=table.choice("kind", KINDS, default="data centre"),  # type: ignore[arg-type]
        unified_memory=table.flag("unified_memory", default=False),
        usually_free_bytes=gib(free) if (free := table.number("usually_free_gib", default=0.0)) else None,
        aliases=table.texts("aliases"),
        driver_names=table.texts("driver_names"),
        source=table.text("source", default=source),
        logged=table.flag("logged", default=False),
    )
    rates.refuse_the_rest()
    table.refuse_the_rest()
    fault = problem_of(gpu)
    if fault is not None:
        raise table.refusal(repr(gpu.name), fault.removeprefix(", which "))
    return (gpu, *(_slice(part, gpu) for part in slices), *(_vgpu(part, gpu) for part in vgpus))


def _link(table: Table) -> tuple[float | None, Link | None]:
    """Bytes/s of the fastest link that the table tells of, and which it is."""
    rates = {link: table.number(f"{link}_gb_s", default=0.0) * 1e9 for link in get_args(Link)}
    return next(((rate, link) for link, rate in rates.items() if rate), (None, None))


def _capability(table: Table, default: tuple[int, ...], platform: str) -> tuple[int, int]:
    """The compute capability, or the chip that is told as `platform` and `architecture` where there is none."""
    platform = table.text("platform", default=platform)
    if platform != CUDA:
        return Chip(platform, table.text("architecture"))
    major, minor = table.version("compute_capability", length=2, default=default)
    if not major:
        raise table.refusal("compute_capability", "is missing")
    return (major, minor)


def _slice(table: Table, gpu: Gpu) -> Gpu:
    """A MIG slice: its share of the SMs and of the memory slices, and no link to other GPUs."""
    profile, sms = table.text("profile"), table.integer("sm_count", at_least=1)
    part = sms / gpu.sm_count if gpu.sm_count else 1.0
    names = [f"{name} MIG {profile}" for name in (gpu.name, *gpu.aliases)]
    result = evolve(
        gpu,
        name=names[0],
        aliases=(*names[1:], *(f"{name} {profile}" for name in (gpu.name, *gpu.aliases))),
        driver_names=tuple(f"{name} MIG {profile}" for name in gpu.driver_names),
        memory_bytes=int(table.number("memory_gib", at_least=0.25) * GIB),
        memory_readings=(),
        memory_provenance=table.choice("memory_provenance", PROVENANCES, default="assumed"),  # type: ignore[arg-type]
        memory_source="nvidia-smi mig -lgip",
        sm_count=sms,
        bandwidth=gpu.bandwidth * table.integer("memory_slices", at_least=1) / MEMORY_SLICES,
        dense_flops=tuple((dtype, rate * part) for dtype, rate in gpu.dense_flops),
        interconnect=None,
        link=None,
        board_power=None,
        kind="partition",
        board_memory_bytes=gpu.memory_bytes,
        logged=False,
    )
    table.refuse_the_rest()
    return result


def _vgpu(table: Table, gpu: Gpu) -> Gpu:
    """A time-sliced vGPU: a part of the memory, and all of the speed while it is alone.

    `profile` is the name without its last letter: C (compute) and Q (workstation) have the same frame buffer.
    """
    profile = table.text("profile")
    result = evolve(
        gpu,
        name=f"{profile}C",
        aliases=(f"{profile}Q",),
        driver_names=(f"NVIDIA {profile}C", f"NVIDIA {profile}Q"),
        memory_bytes=int(table.number("memory_gib", at_least=0.25) * GIB),
        memory_readings=(),
        memory_provenance="assumed",
        memory_source="frame buffer in NVIDIA's vGPU user guide less 4.5 %",
        interconnect=None,
        link=None,
        board_power=None,
        kind="partition",
    )
    table.refuse_the_rest()
    return result
