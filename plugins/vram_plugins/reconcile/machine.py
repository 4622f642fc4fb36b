"""Which GPU a start was on: as the user says it, the log, a report around it or the command, or by its memory."""

from __future__ import annotations

from collections.abc import Iterable

from vram.errors import VramError
from vram.gpus import all_gpus, find_gpu
from vram.models.profile import Gpu
from vram.models.record import frozen
from vram.plugin import plugins
from vram.units import GIB, format_gib
from vram_plugins.logs.records import EngineStart
from vram_plugins.logs.surroundings import SeenGpu
from vram_plugins.reconcile.told import Told

_SAME_MEMORY = 0.004  # boards of one model report totals this close to each other
_SMI_MEMORY = 0.03  # nvidia-smi's total has what the driver keeps for itself, too
_STAND_IN_GIB = 80.0
_MOST_NAMED = 8


@frozen(kw_only=True)
class Machine:
    """A GPU by name and its memory in GiB, as `estimate` takes them; `known` is false for a stand-in, of which only what does not
    depend on the GPU may be used.
    """

    gpu: str | None = None
    memory_gib: float | None = None
    known: bool = True
    note: str | None = None


def machine_of(
    start: EngineStart, told: Told, *, gpu: str | None, gpu_memory_gib: float | None, profile: str | None
) -> Machine:
    """The machine; `gpu`, `gpu_memory_gib` and `profile` are what the user says of it."""
    total = start.largest("total_bytes") or _implied(start)
    memory = gpu_memory_gib if gpu_memory_gib is not None else total / GIB if total else None
    if gpu is not None or profile is not None or (gpu_memory_gib is not None and start.gpu is None):
        return Machine(gpu=gpu, memory_gib=memory)
    if start.gpu is not None:
        return Machine(gpu=start.gpu, memory_gib=memory, note=_in_use(told))
    likely: list[Gpu] = []
    platform = told.surroundings.platform
    for seen in told.surroundings.gpus:
        likely = likely or _seen(seen, total, platform)
        if len(likely) == 1:
            return Machine(gpu=likely[0].name, memory_gib=memory, note=_from_report(seen, likely[0], told))
    if told.command is not None and told.command.gpu is not None and _named(told.command.gpu) is not None:
        return Machine(gpu=told.command.gpu, memory_gib=memory)
    likely = likely or (_with_memory(total, _SAME_MEMORY, platform) if total else [])
    return _by_memory(likely, total, memory)


def _implied(start: EngineStart) -> float | None:
    """The GPU's memory from what was requested of it and the share."""
    share, asked = start.largest("gpu_memory_utilization"), start.largest("requested_bytes")
    return asked / share if share and asked and 0 < share <= 1 else None


def _by_memory(likely: list[Gpu], total: float | None, memory: float | None) -> Machine:
    """The only GPU that comes into question; of several, or none, a stand-in."""
    if total and len(likely) == 1:
        note = f"the log does not name the GPU; {likely[0].name} is the one with {format_gib(total)}"
        return Machine(gpu=likely[0].name, memory_gib=memory, note=note)
    size = f" with {format_gib(total)}" if total else ""
    which = f": it may be {', '.join(gpu.name for gpu in likely[:_MOST_NAMED])}" if likely else ""
    what = "what does not depend on it is compared (--gpu for the rest)"
    note = f"no GPU{size} is named{which}; {what}"
    return Machine(memory_gib=memory or _STAND_IN_GIB, known=False, note=note)


def _with_memory(total: float, close: float, platform: str) -> list[Gpu]:
    """The GPUs of such a memory, of the log's platform where it tells one."""

    def near(readings: Iterable[int]) -> bool:
        return any(abs(reading - total) <= close * total for reading in readings)

    whole = [gpu for gpu in all_gpus(plugins().profiles) if gpu.kind != "partition"]
    own = [gpu for gpu in whole if platform in ("", gpu.platform)]
    return [gpu for gpu in own if near((gpu.memory_bytes, *gpu.memory_readings))]


def _seen(seen: SeenGpu, total: float | None, platform: str) -> list[Gpu]:
    """What the GPU of a report may be; a name that a narrow table cut is told by its beginning and its memory."""
    cut = seen.name.rstrip(" .…")
    whole = _named(seen.name) if cut == seen.name else None
    size = seen.total_bytes or total
    if whole is not None or not size:
        return [whole] if whole else []
    begins = " ".join(cut.lower().split())
    likely = _with_memory(size, _SMI_MEMORY if seen.total_bytes else _SAME_MEMORY, platform)
    return [gpu for gpu in likely if any(name.lower().startswith(begins) for name in gpu.driver_names)]


def _named(name: str) -> Gpu | None:
    try:
        return find_gpu(name, plugins().profiles)
    except VramError:
        return None


def _from_report(seen: SeenGpu, found: Gpu, told: Told) -> str | None:
    """What of the report is worth saying: machines of several kinds, a cut name, memory that was taken."""
    others = {one.name for one in told.surroundings.gpus} - {seen.name}
    notes = []
    if others:
        notes.append(
            f"the report lists {found.name} and {', '.join(sorted(others)[:_MOST_NAMED])}: the first is taken (--gpu)"
        )
    if seen.name.rstrip(" .…") != seen.name:
        notes.append(f"nvidia-smi cut the GPU's name to {seen.name!r}; by its memory it is {found.name}")
    taken = _in_use(told)
    return "; ".join([*notes, *([taken] if taken else [])]) or None


def _in_use(told: Told) -> str | None:
    """What nvidia-smi shows as taken of the fullest GPU, by the server itself or by others."""
    seen = [(gpu.used_bytes, gpu.total_bytes) for gpu in told.surroundings.gpus if gpu.used_bytes and gpu.total_bytes]
    used, total = max(seen, default=(0, 0))
    return f"nvidia-smi shows {format_gib(used)} of {format_gib(total)} of a GPU in use" if used > GIB else None
