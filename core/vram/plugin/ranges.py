"""What the records of hardware and number formats can be: sizes and rates a power of ten wider than any there is.

GiB given as bytes, GB/s as bytes/s, NaN and names nobody could type fall outside. Each function yields sentences.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vram.plugin.naming import names_problem

if TYPE_CHECKING:
    from vram.models.detected import DetectedGpu
    from vram.models.kv_dtype import KVCacheDtype
    from vram.models.profile import Constant, Gpu, OverheadProfile

_GIB = 2**30
_MEMORY = (_GIB // 4, 8192 * _GIB)
_BANDWIDTH = (1e9, 1e15)
_FLOPS = (1e10, 1e18)
_LINK = (1e8, 1e14)
_WATTS = (1, 20_000)
WIDEST = 64  # bits of one stored number


def typed_names(*given: object) -> Iterator[str]:
    """The first of some names that nobody could type."""
    problem = names_problem(given)
    if problem:
        yield problem


def within(what: str, value: float | None, bounds: tuple[float, float], unit: str) -> Iterator[str]:
    """A number outside of what there can be; None is not known."""
    if value is not None and not bounds[0] <= value <= bounds[1]:
        yield f"has {value:,g} {unit} of {what}, and none has less than {bounds[0]:,g} or more than {bounds[1]:,g}"


def dtypes(*names: str) -> Iterator[str]:
    """Names that are no dtype."""
    from vram.dtypes import canonical_dtype
    from vram.errors import UnknownNameError

    for name in names:
        try:
            canonical_dtype(name)
        except UnknownNameError:
            yield f"names {name!r}, which is no dtype"


def from_one(record: object, *names: str) -> Iterator[str]:
    """Fields that are 0 and count from 1."""
    yield from (f"has a {name} of {getattr(record, name)}" for name in names if getattr(record, name) in (0, 0.0))


def capability(value: tuple[int, int] | None) -> Iterator[str]:
    """A compute capability that no GPU has."""
    if value is not None and not (value[0] <= 99 and value[1] <= 9):
        yield f"has a compute capability of {value[0]}.{value[1]}"


def kv_dtype_rule(dtype: KVCacheDtype) -> Iterator[str]:
    """Widths, alignment, releases, and what its own `head_bytes` gives."""
    yield from typed_names(dtype.name, *dtype.aliases, dtype.platform)
    for bits in (dtype.bits, dtype.value_bits):
        if bits is not None and not 1 <= bits <= WIDEST:
            yield f"{dtype.name!r} stores numbers of {bits} bits"
    yield from from_one(dtype, "slot_alignment")
    yield from capability(dtype.min_capability)
    if dtype.removed is not None and dtype.removed <= dtype.since:
        yield f"{dtype.name!r} is removed in {dtype.removed} and came in {dtype.since}"
    for size in (64, 128):
        taken, most = dtype.head_bytes(size, size, dtype="bfloat16"), 2 * size * WIDEST // 8
        if isinstance(taken, bool) or not isinstance(taken, int) or not 0 < taken <= most:
            yield f"{dtype.name!r} takes {taken!r:.40} bytes for a head of {size}, which is none or more than {most:,}"
    if dtype.head_bytes(128, 128, dtype="bfloat16") < dtype.head_bytes(64, 64, dtype="bfloat16"):
        yield f"{dtype.name!r} takes fewer bytes for a head of 128 than for one of 64"


def gpu_rule(gpu: Gpu) -> Iterator[str]:
    """Names, memory, rates, links."""
    from vram.models.profile import RATES

    yield from typed_names(gpu.name, gpu.family, *gpu.aliases, *gpu.driver_names)
    for what, memory in (("memory", gpu.memory_bytes), ("memory on its board", gpu.board_memory_bytes)):
        yield from within(what, memory, _MEMORY, "bytes")
    for reading in gpu.memory_readings:
        yield from within("memory", reading, _MEMORY, "bytes")
    if gpu.usually_free_bytes is not None and gpu.usually_free_bytes > gpu.memory_bytes:
        yield "has more memory free than it has"
    yield from within("bandwidth", gpu.bandwidth, _BANDWIDTH, "bytes/s")
    yield from within("interconnect", gpu.interconnect, _LINK, "bytes/s")
    yield from within("board power", gpu.board_power, _WATTS, "watts")
    for dtype, rate in gpu.dense_flops:
        yield from within(dtype, rate, _FLOPS, "operations/s")
        if dtype not in RATES:
            yield f"has a rate for {dtype!r} (there are {', '.join(RATES)})"
    yield from from_one(gpu, "sm_count")
    yield from capability(gpu.compute_capability)
    if gpu.platform == "cuda" and not gpu.compute_capability[0]:
        yield "has a compute capability of 0"


def constant_rule(constant: Constant) -> Iterator[str]:
    """A name that some formula asks for, ordered bounds, a source."""
    from vram.models.profile import CONSTANT_NAMES, SPEED_FACTORS

    known = CONSTANT_NAMES | SPEED_FACTORS
    if constant.name not in known:
        yield f"is {constant.name!r}, which no formula asks for (there are {', '.join(sorted(known))})"
    if not 0 <= constant.low <= constant.value <= constant.high <= _MEMORY[1]:
        yield f"{constant.name!r} is not within its own bounds, or below 0"
    if not constant.source.strip():
        yield f"{constant.name!r} has no source"
    if constant.until is not None and constant.until <= constant.since:
        yield f"{constant.name!r} holds until {constant.until} and from {constant.since} on"


def profile_rule(profile: OverheadProfile) -> Iterator[str]:
    """Names once each, a preset of a GPU it has."""
    yield from typed_names(profile.name, *profile.aliases)
    if not 1 <= profile.fragmentation_factor <= 10:
        yield f"has a fragmentation_factor of {profile.fragmentation_factor:g}, which is below 1 or above 10"
    yield from from_one(profile, "gpu_count")
    if isinstance(profile.gpus, tuple | list):  # those of a file are read on use, and checked there
        names = [name for gpu in profile.gpus for name in {gpu.name, *gpu.aliases}]
        yield from (f"names {name!r} twice" for name in sorted({name for name in names if names.count(name) > 1}))
        if profile.gpu is not None and names and profile.gpu not in names:
            yield f"stands for {profile.gpu!r}, which is none of its GPUs"


def detected_rule(gpu: DetectedGpu) -> Iterator[str]:
    """A name, and memory that adds up."""
    yield from typed_names(gpu.name)
    for what in ("total_bytes", "cuda_total_bytes"):
        yield from within(what, getattr(gpu, what), _MEMORY, "bytes")
    total = gpu.total_bytes if gpu.total_bytes is not None else _MEMORY[1]
    if max(gpu.used_bytes or 0, gpu.free_bytes or 0) > total:
        yield "has more memory used or free than it has"
