"""This machine's AMD GPUs, asked through AMD SMI (the package amdsmi of a ROCm installation): no root, no HIP context.

As with NVIDIA's driver, a question that fails leaves its field empty; only a library that does not answer at all is an error.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from vram.errors import DetectionError
from vram.models.detected import DetectedGpu, GpuDetector, GpuProcess
from vram.models.platform import Chip

_DEVICE = "/dev/kfd"
_BY_NAME = "You can also name a GPU with --gpu."
_XGMI = 2  # `AmdSmiLinkType`, as `platforms/rocm.py:is_fully_connected` compares it


def detect(smi: Any = None) -> tuple[DetectedGpu, ...]:
    """Every GPU, by index. `smi` replaces the module amdsmi, for tests.

    Raises DetectionError where there is no driver (`absent`), or one that cannot be asked.
    """
    smi = smi or _amdsmi()
    try:
        smi.amdsmi_init()
        handles = list(smi.amdsmi_get_processor_handles())
    except Exception as error:  # its own exceptions have no common base before ROCm 6.4
        raise DetectionError(problem=f"AMD SMI does not answer: {error}", next=_BY_NAME) from error
    try:
        return tuple(_described(smi, handle, index, handles) for index, handle in enumerate(handles))
    finally:
        with suppress(Exception):
            smi.amdsmi_shut_down()


def _amdsmi() -> Any:
    """The module."""
    try:
        import amdsmi
    except Exception as error:
        if not os.path.exists(_DEVICE):
            raise DetectionError(problem="no AMD driver is installed", next=_BY_NAME, absent=True) from error
        problem = (
            f"there is an AMD driver ({_DEVICE}), but the package amdsmi cannot be loaded ({type(error).__name__})"
        )
        step = "Install it from the ROCm installation (pip install /opt/rocm/share/amd_smi)."
        raise DetectionError(problem=problem, next=f"{step} {_BY_NAME}") from error
    return amdsmi


def _ask(smi: Any, question: str, *args: Any, otherwise: Any = None) -> Any:
    """The library's answer, or `otherwise` where it has none."""
    try:
        return getattr(smi, question)(*args)
    except Exception:  # noqa: BLE001  see above
        return otherwise


def _described(smi: Any, handle: Any, index: int, handles: list[Any]) -> DetectedGpu:
    asic = _ask(smi, "amdsmi_get_gpu_asic_info", handle, otherwise={})
    driver = _ask(smi, "amdsmi_get_gpu_driver_info", handle, otherwise={})
    kind = getattr(getattr(smi, "AmdSmiMemoryType", None), "VRAM", None)
    total = _ask(smi, "amdsmi_get_gpu_memory_total", handle, kind)
    used = _ask(smi, "amdsmi_get_gpu_memory_usage", handle, kind)
    architecture = str(asic.get("target_graphics_version") or "")
    return DetectedGpu(
        index=index,
        name=str(asic.get("market_name") or "unknown"),
        uuid=str(_ask(smi, "amdsmi_get_gpu_device_uuid", handle, otherwise="")),
        total_bytes=total,
        cuda_total_bytes=total,
        used_bytes=used,
        free_bytes=None if total is None or used is None else total - used,
        compute_capability=Chip("rocm", architecture) if architecture.startswith("gfx") else None,
        driver_version=str(driver.get("driver_version") or ""),
        nvlink_peers=tuple(
            other for other, peer in enumerate(handles) if other != index and _linked(smi, handle, peer)
        ),
        processes=_processes(smi, handle),
    )


def _linked(smi: Any, one: Any, other: Any) -> bool:
    link = _ask(smi, "amdsmi_topo_get_link_type", one, other, otherwise={})
    return isinstance(link, Mapping) and link.get("type") == _XGMI


def _processes(smi: Any, handle: Any) -> tuple[GpuProcess, ...]:
    found = _ask(smi, "amdsmi_get_gpu_process_list", handle, otherwise=[])
    listed = [one for one in found if isinstance(one, Mapping) and isinstance(one.get("pid"), int)]
    return tuple(
        GpuProcess(pid=one["pid"], name=str(one.get("name") or "") or None, used_bytes=_held(one))
        for one in sorted(listed, key=lambda one: one["pid"])
    )


def _held(process: Mapping[str, Any]) -> int | None:
    usage = process.get("memory_usage")
    held = usage.get("vram_mem") if isinstance(usage, Mapping) else process.get("mem")
    return held if isinstance(held, int) else None


DETECTOR = GpuDetector(name="amd", detect=detect)
