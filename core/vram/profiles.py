"""Overhead profile files: TOML in, `OverheadProfile` out, everything that is not understood refused.

The format is described in `overhead_profiles/README.md`. Read by hand and not with cattrs: eight files are read by
every command that estimates, and a converter costs more to import than all of them to read.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve

from vram.errors import ProfileError
from vram.models.profile import Constant, Gpu, OverheadProfile
from vram.profile_table import Table
from vram.units import GIB

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable  # importing it costs more than reading the files

LARGEST_FILE = 2**20
RATES = ("fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4")
KINDS = ("data centre", "workstation", "consumer", "laptop", "embedded", "partition")
PROVENANCES = ("derived", "measured", "assumed")
MEMORY_SLICES = 8
"""A GPU that can be split (MIG) has eight memory slices (NVIDIA MIG user guide, "Concepts")."""


def read_profile(path: Path | Traversable) -> OverheadProfile:
    """The profile of one file, without its presets. Raises ProfileError naming file and field."""
    return read_profiles(path)[0]


def read_profiles(path: Path | Traversable) -> tuple[OverheadProfile, ...]:
    """The profile of one file, then its presets (same GPUs and constants, with a default GPU and count).

    Raises ProfileError naming file and field.
    """
    top = Table(path=str(path), where="", values=_load(path))
    name = top.text("name")
    capability = top.version("compute_capability", length=2, default=(0, 0))
    gpus = tuple(gpu for table in top.tables("gpus") for gpu in _gpus(table, family=name, capability=capability))
    constants = tuple(_constant(table) for table in top.tables("constants"))
    profile = OverheadProfile(
        name=name,
        aliases=top.texts("aliases"),
        description=top.text("description", default=""),
        gpus=gpus,
        constants=constants,
        calibrated=top.flag("calibrated", default=bool(constants)),
        fragmentation_factor=top.number("fragmentation_factor", default=1.0, at_least=1.0),
        gpu=top.text("gpu", default="") or None,
        gpu_count=top.integer("gpu_count", default=0) or None,
        source=top.text("source", default=""),
    )
    presets = tuple(_preset(table, profile) for table in top.tables("presets"))
    top.refuse_the_rest()
    _check_defaults(top, (profile, *presets))
    return (profile, *presets)


def _load(path: Path | Traversable) -> dict[str, object]:
    import tomllib

    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise ProfileError(path=str(path), problem=f"is larger than {LARGEST_FILE} bytes")
        return tomllib.loads(raw.decode())
    except OSError as error:
        raise ProfileError(path=str(path), problem=error.strerror or type(error).__name__) from error
    except RecursionError as error:
        raise ProfileError(path=str(path), problem="is nested too deeply") from error
    except ValueError as error:  # not UTF-8, not TOML, or a number of too many digits
        raise ProfileError(path=str(path), problem=f"is not TOML ({error})") from error


def _gpus(table: Table, *, family: str, capability: tuple[int, ...]) -> tuple[Gpu, ...]:
    memory = int(table.number("memory_gib", at_least=0.25) * GIB)
    readings = tuple(sorted(int(reading * GIB) for reading in table.numbers("readings_gib")))
    major, minor = table.version("compute_capability", length=2, default=capability)
    if not major:
        raise table.refusal("compute_capability", "is missing")
    rates = table.table("dense_tflops")
    nvlink, pcie = table.number("nvlink_gb_s", default=0.0), table.number("pcie_gb_s", default=0.0)
    slices = table.tables("mig")
    vgpus = table.tables("vgpu")
    gpu = Gpu(
        name=table.text("name"),
        family=family,
        memory_bytes=memory,
        memory_readings=readings,
        memory_provenance=table.choice("memory_provenance", PROVENANCES, default="measured" if readings else "assumed"),  # type: ignore[arg-type]
        memory_source=table.text("memory_source", default=""),
        compute_capability=(major, minor),
        bandwidth=table.number("bandwidth_gb_s", at_least=1.0) * 1e9,
        dense_flops=tuple((dtype, rates.number(dtype) * 1e12) for dtype in RATES if dtype in rates),
        interconnect=(nvlink or pcie) * 1e9 or None,
        link="nvlink" if nvlink else "pcie" if pcie else None,
        sm_count=table.integer("sm_count", default=0) or None,
        board_power=table.number("board_power_w", default=0.0) or None,
        kind=table.choice("kind", KINDS, default="data centre"),  # type: ignore[arg-type]
        unified_memory=table.flag("unified_memory", default=False),
        aliases=table.texts("aliases"),
        driver_names=table.texts("driver_names"),
        source=table.text("source", default=""),
    )
    rates.refuse_the_rest()
    table.refuse_the_rest()
    return (gpu, *(_slice(part, gpu) for part in slices), *(_vgpu(part, gpu) for part in vgpus))


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
        memory_provenance=table.choice("memory_provenance", PROVENANCES, default="assumed"),
        memory_source=table.text("memory_source", default="mode listing of nvidia-smi mig -lgip"),
        sm_count=sms,
        bandwidth=gpu.bandwidth * table.integer("memory_slices", at_least=1) / MEMORY_SLICES,
        dense_flops=tuple((dtype, rate * part) for dtype, rate in gpu.dense_flops),
        interconnect=None,
        link=None,
        board_power=None,
        kind="partition",
    )
    table.refuse_the_rest()
    return result


def _vgpu(table: Table, gpu: Gpu) -> Gpu:
    """A time-sliced vGPU: a part of the memory, and all of the speed while it is alone."""
    profile = table.text("profile")
    result = evolve(
        gpu,
        name=profile,
        aliases=(),
        driver_names=(f"GRID {profile}", f"NVIDIA {profile}"),
        memory_bytes=int(table.number("memory_gib", at_least=0.25) * GIB),
        memory_readings=(),
        memory_provenance="assumed",
        memory_source=table.text("memory_source", default="frame buffer of the profile in the vGPU user guide"),
        interconnect=None,
        link=None,
        board_power=None,
        kind="partition",
    )
    table.refuse_the_rest()
    return result


def _constant(table: Table) -> Constant:
    value = table.number("value")
    until = table.version("until", length=3, default=())
    constant = Constant(
        name=table.text("name"),
        value=value,
        low=table.number("low", default=value),
        high=table.number("high", default=value),
        provenance=table.choice("provenance", PROVENANCES),  # type: ignore[arg-type]
        source=table.text("source"),
        samples=table.integer("samples", default=0),
        since=table.version("since", length=3, default=(0, 0, 0)),  # type: ignore[arg-type]
        until=until or None,  # type: ignore[arg-type]
    )
    if not constant.low <= constant.value <= constant.high:
        raise table.refusal("value", f"must lie between low and high ({constant.low} to {constant.high})")
    table.refuse_the_rest()
    return constant


def _preset(table: Table, profile: OverheadProfile) -> OverheadProfile:
    preset = evolve(
        profile,
        name=table.text("name"),
        aliases=table.texts("aliases"),
        description=table.text("description", default=profile.description),
        gpu=table.text("gpu"),
        gpu_count=table.integer("gpu_count", default=1, at_least=1),
    )
    table.refuse_the_rest()
    return preset


def _check_defaults(top: Table, profiles: tuple[OverheadProfile, ...]) -> None:
    names = [gpu.name for gpu in profiles[0].gpus]
    for profile in profiles:
        if profile.gpu is not None and names and profile.gpu not in names:
            raise top.refusal("gpu", f"of {profile.name!r} is none of its GPUs ({profile.gpu!r})")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise top.refusal("gpus", f"has {repeated[0]!r} twice")
