"""The GPUs of a compose service: reserved, asked for, or made visible."""

from __future__ import annotations

import re
from collections.abc import Mapping

from vram_plugins.readers.documents import Block, Items, Text, number
from vram_plugins.readers.expand import in_shell


def gpus_of(
    service: Block, environment: Mapping[str, str], outside: Mapping[str, str]
) -> tuple[int | None, tuple[str, ...], tuple[str, ...]]:
    """How many GPUs a service gets, what else it is given, and what of it is not known."""
    devices = [str(item) for item in service.at("devices") or () if isinstance(item, Text)]
    if service.text("runtime"):
        devices.append(f"runtime:{service.text('runtime')}")
    reserved = service.block("deploy", "resources", "reservations")
    asked = reserved.blocks("devices") + service.blocks("gpus")
    devices += [device.text("driver") or "" for device in asked]
    counts = [_count(device, outside) for device in asked]
    gpus = sum(c for c in counts if c is not None) if counts and None not in counts else None
    named = [device for device in devices if device.startswith("nvidia.com/gpu=")]  # by the container device interface
    if named and not any(device.endswith("=all") for device in named):
        gpus = len(named)
    for generic in reserved.blocks("generic_resources"):
        spec = generic.block("discrete_resource_spec")
        if "gpu" in (spec.text("kind") or "").lower():
            gpus = number(spec.get("value"))
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        visible = environment.get(name, "")
        if re.fullmatch(r"\s*[\w-]+(\s*,\s*[\w-]+)*\s*", visible) and visible.strip().lower() not in {
            "all",
            "none",
            "void",
        }:
            gpus = visible.count(",") + 1
            break
    return gpus, tuple(device for device in devices if device), ()


def _count(device: Block, outside: Mapping[str, str]) -> int | None:
    """GPUs of one reservation; `all`, or no count, is as many as the machine has."""
    ids = device.get("device_ids")
    if isinstance(ids, Items):
        given = [in_shell(item, outside) for item in ids.texts()]
        if any(item.strip().lower() == "all" for item in given):
            return None
        return sum(item.count(",") + 1 for item in given)
    return number(in_shell(device.text("count") or "", outside))
