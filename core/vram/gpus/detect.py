"""This machine's GPUs, as the detectors of plugins tell, and which of the known ones they are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from vram.errors import DetectionError, PluginError, UnknownNameError
from vram.gpus.find import find_gpu
from vram.models.detected import DetectedGpu
from vram.models.profile import Gpu, OverheadProfile
from vram.models.record import evolve
from vram.plugin.manager import plugins
from vram.units import MIB

SAME_BOARD = 0.06
"""Two totals of one board differ by less (drivers, ECC, WSL), those of two boards with one name by more."""


def detect_gpus() -> tuple[DetectedGpu, ...]:
    """Every GPU of this machine, by detector and index. A detector that breaks is named like any plugin, and skipped.

    Raises DetectionError where none of them finds a GPU, with what each says whose driver is there (`absent` in its data: it is not).
    """
    detectors = plugins().gpu_detectors
    found: list[DetectedGpu] = []
    refused: list[DetectionError] = []
    for name, detector in detectors.items():
        try:
            found += detector.detect()
        except DetectionError as error:
            refused.append(error)
        except PluginError as error:  # a third party's bug must not hide the others' GPUs
            detectors.blame(name, error)
    if found:
        return tuple(found)
    refused = [one for one in refused if not one.data.get("absent")] or refused
    if len(refused) == 1:
        raise refused[0]
    problem = "; ".join(str(each.data["problem"]) for each in refused) or "no plugin asks this machine for its GPUs"
    raise DetectionError(problem=problem, next="You can also name a GPU with --gpu.")


def known_gpu(detected: DetectedGpu, profiles: Mapping[str, OverheadProfile]) -> Gpu:
    """The catalog's record of a detected GPU, with this machine's memory in it.

    Boards of one name and different memory are told apart by it. Raises UnknownNameError.
    """
    gpu = find_gpu(detected.name, profiles)
    memory = detected.cuda_total_bytes
    if memory is None:
        return gpu
    if abs(memory - gpu.memory_bytes) > SAME_BOARD * gpu.memory_bytes and detected.total_bytes is not None:
        with suppress(UnknownNameError):
            gpu = find_gpu(f"{detected.name} ({detected.total_bytes // MIB} MiB)", profiles)
    return evolve(gpu, memory_bytes=memory, memory_provenance="measured", memory_source="this machine's driver")
