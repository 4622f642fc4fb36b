"""This machine's GPUs, asked through NVML (nvidia-ml-py): no CUDA context is made and no memory taken.

A driver that answers some questions and not others is common (WSL, containers, MIG, unified memory), so each question
that fails leaves its field empty; only a driver that does not answer at all is an error.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from vram.errors import DetectionError
from vram.models.detected import DetectedGpu, GpuDetector, GpuProcess
from vram.models.record import evolve

# nvmlReturn_t, NVML API reference; the numbers are its ABI
_NO_PERMISSION, _NOT_LOADED, _NO_LIBRARY, _NO_FUNCTION, _LOST, _MISMATCH = 4, 9, 12, 13, 15, 18
_BY_NAME = "You can also name a GPU with --gpu."
_FAILURES: Mapping[int, tuple[str, str]] = {
    _NO_LIBRARY: (
        "no NVIDIA driver is installed (its library libnvidia-ml was not found)",
        "Install the driver; a container needs to be started with its GPUs (docker run --gpus all).",
    ),
    _NOT_LOADED: (
        "the NVIDIA driver is installed but not running",
        "Load it (modprobe nvidia), or reboot if it was just installed.",
    ),
    _NO_PERMISSION: (
        "this user may not talk to the NVIDIA driver",
        "Give it access to /dev/nvidia* (often the group video or render).",
    ),
    _MISMATCH: (
        "the NVIDIA driver's library is of another version than the driver that runs",
        "Reboot, or unload and load the driver, after its update.",
    ),
    _NO_FUNCTION: ("the NVIDIA driver is too old for this question", "Update the driver."),
    _LOST: ("the driver has lost a GPU (it fell off the bus)", "Reboot, and look at the kernel's log for Xid errors."),
}
_WSL = "On WSL update the driver on Windows, install none inside, and see that /usr/lib/wsl/lib is searched."


def detect(nvml: Any = None) -> tuple[DetectedGpu, ...]:
    """Every GPU, by index, each followed by its MIG slices. `nvml` replaces the module pynvml, for tests.

    Raises DetectionError when there is no driver, it does not answer, or it has no GPU.
    """
    nvml = nvml or _pynvml()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise _failure(error) from error
    try:
        found = _all(_Driver(nvml), int(nvml.nvmlDeviceGetCount()))
    except nvml.NVMLError as error:
        raise _failure(error) from error
    finally:
        with suppress(nvml.NVMLError):
            nvml.nvmlShutdown()
    if not found:
        raise DetectionError(problem="the NVIDIA driver runs but has no GPU", next=_BY_NAME)
    return tuple(found)


def _pynvml() -> Any:
    try:
        import pynvml
    except ImportError as error:
        raise DetectionError(
            problem="the package nvidia-ml-py is not installed", next="Install it (pip install nvidia-ml-py)."
        ) from error
    return pynvml


def _failure(error: Exception) -> DetectionError:
    code = getattr(error, "value", None)
    problem, step = _FAILURES.get(code if isinstance(code, int) else 0, (f"the NVIDIA driver answers: {error}", ""))
    if "microsoft" in platform.release().lower() and code != _NO_PERMISSION:
        step = _WSL
    return DetectionError(problem=problem, next=f"{step} {_BY_NAME}".strip())


class _Driver:
    """NVML, asked one question at a time."""

    def __init__(self, nvml: Any) -> None:
        self.nvml = nvml

    def ask(self, question: str, *args: Any, otherwise: Any = None, **options: Any) -> Any:
        """The driver's answer, or `otherwise` where it has none."""
        try:
            return getattr(self.nvml, question)(*args, **options)
        except (self.nvml.NVMLError, AttributeError):  # an old nvidia-ml-py lacks the question
            return otherwise

    def text(self, question: str, *args: Any, otherwise: str = "") -> str:
        """As `ask`, as text: older versions answer in bytes."""
        value = self.ask(question, *args, otherwise=otherwise)
        return value.decode(errors="replace") if isinstance(value, bytes) else str(value)

    def constant(self, name: str) -> Any:
        """One of NVML's constants, None where this version has it not."""
        return getattr(self.nvml, name, None)


def _all(driver: _Driver, count: int) -> list[DetectedGpu]:
    handles = {index: driver.ask("nvmlDeviceGetHandleByIndex", index) for index in range(count)}
    version = driver.text("nvmlSystemGetDriverVersion")
    found = []
    for index, handle in handles.items():
        if handle is None:
            problem = "the driver does not answer for it"
            found.append(DetectedGpu(index=index, name="unknown", driver_version=version, problem=problem))
            continue
        gpu = evolve(
            _described(driver, handle, index, version),
            nvlink_links=_links(driver, handle),
            nvlink_peers=_peers(driver, index, handles),
            mig_enabled=bool(driver.ask("nvmlDeviceGetMigMode", handle, otherwise=(0, 0))[0]),
        )
        found += [gpu, *(_slices(driver, handle, gpu) if gpu.mig_enabled else ())]
    return found


def _described(driver: _Driver, handle: Any, index: int, version: str) -> DetectedGpu:
    memory = _memory(driver, handle)
    reserved = getattr(memory, "reserved", None)
    total = getattr(memory, "total", None)
    capability = driver.ask("nvmlDeviceGetCudaComputeCapability", handle)
    return DetectedGpu(
        index=index,
        name=driver.text("nvmlDeviceGetName", handle, otherwise="unknown"),
        uuid=driver.text("nvmlDeviceGetUUID", handle),
        total_bytes=total,
        cuda_total_bytes=None if total is None or reserved is None else total - reserved,
        used_bytes=getattr(memory, "used", None),
        free_bytes=getattr(memory, "free", None),
        compute_capability=None if capability is None else (capability[0], capability[1]),
        driver_version=version,
        processes=_processes(driver, handle),
    )


def _memory(driver: _Driver, handle: Any) -> Any:
    """The second version of the answer tells what the driver keeps; the first counts that as used."""
    second = driver.ask("nvmlDeviceGetMemoryInfo", handle, version=driver.constant("nvmlMemory_v2"))
    return second or driver.ask("nvmlDeviceGetMemoryInfo", handle)


def _processes(driver: _Driver, handle: Any) -> tuple[GpuProcess, ...]:
    """Those that compute before those that draw: one that does both is listed with what the first list says."""
    drawing = driver.ask("nvmlDeviceGetGraphicsRunningProcesses", handle, otherwise=[])
    computing = driver.ask("nvmlDeviceGetComputeRunningProcesses", handle, otherwise=[])
    used = {process.pid: process.usedGpuMemory for process in (*drawing, *computing)}
    return tuple(
        GpuProcess(pid=pid, name=driver.text("nvmlSystemGetProcessName", pid) or None, used_bytes=used[pid])
        for pid in sorted(used)
    )


def _links(driver: _Driver, handle: Any) -> int:
    """How many NVLinks are up."""
    most = driver.constant("NVML_NVLINK_MAX_LINKS") or 0
    return sum(driver.ask("nvmlDeviceGetNvLinkState", handle, link, otherwise=0) == 1 for link in range(most))


def _peers(driver: _Driver, index: int, handles: Mapping[int, Any]) -> tuple[int, ...]:
    nvlink, connected = driver.constant("NVML_P2P_CAPS_INDEX_NVLINK"), driver.constant("NVML_P2P_STATUS_OK")
    return tuple(
        other
        for other, handle in handles.items()
        if other != index
        and handle is not None
        and connected is not None
        and driver.ask("nvmlDeviceGetP2PStatus", handles[index], handle, nvlink) == connected
    )


def _slices(driver: _Driver, handle: Any, gpu: DetectedGpu) -> list[DetectedGpu]:
    most = driver.ask("nvmlDeviceGetMaxMigDeviceCount", handle, otherwise=0)
    slots = (driver.ask("nvmlDeviceGetMigDeviceHandleByIndex", handle, slot) for slot in range(most))
    parts = [_described(driver, part, slot, gpu.driver_version) for slot, part in enumerate(slots) if part is not None]
    return [evolve(part, mig_parent=gpu.index, compute_capability=gpu.compute_capability) for part in parts]


DETECTOR = GpuDetector(name="nvidia", detect=detect)
