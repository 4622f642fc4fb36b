"""What the page offers to choose from: models of the catalog, GPUs, formats, profiles, and this machine's own GPUs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from vram.errors import DetectionError
from vram.plugin import plugins
from vram.units import format_gib
from vram.vllm import NEWEST, format_version


@lru_cache(maxsize=1)
def choices() -> dict[str, Any]:
    """The page's lists, for JSON. Nothing is asked of the network; the driver is asked once."""
    from vram.checkpoint import list_catalog

    registry = plugins()
    gpus = [gpu for profile in registry.profiles.values() for gpu in profile.gpus]
    order = {"data centre": 0, "workstation": 1, "consumer": 2}
    gpus.sort(key=lambda gpu: (order.get(gpu.kind, 3), gpu.name))
    return {
        "models": [{"value": model.id, "label": model.quantization or ""} for model in list_catalog()],
        "gpus": [{"value": gpu.name, "label": format_gib(gpu.memory_bytes, 0)} for gpu in gpus],
        "quantizations": sorted(registry.schemes),
        "kv_dtypes": sorted(registry.kv_dtypes),
        "profiles": sorted(registry.profiles),
        "vllm_version": format_version(NEWEST),
        "detected": _detected(),
        "failures": [f"Plugin {one.name} ({one.distribution}) was skipped: {one.error}" for one in registry.failures],
    }


def _detected() -> str:
    """The name of this machine's first GPU, "" where there is none."""
    from vram.gpus import detect_gpus

    try:
        found = detect_gpus()
    except DetectionError:
        return ""
    return found[0].name
