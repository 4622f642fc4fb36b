"""`--interconnect`: how the GPUs of a machine are linked, where it differs from what the GPU's record says."""

from __future__ import annotations

import math

from vram.errors import InputError
from vram.models.profile import Gpu
from vram.models.record import evolve

#: bytes/s in one direction: PCIe 4.0 x16 (PCI-SIG), and an NVLink bridge (RTX A6000 datasheet, 112.5 GB/s both ways)
_PCIE = 31.5e9
_BRIDGE = 56.25e9
#: PCIe 5.0 x16; what is faster can only be NVLink
_FASTEST_PCIE = 63e9
_GB = 1e9
_FASTEST = 1e5


def with_interconnect(gpu: Gpu, asked: str | float | None) -> Gpu:
    """The GPU linked as asked: "nvlink", "pcie", or GB/s per GPU in one direction. Raises InputError."""
    if asked is None:
        return gpu
    text = str(asked).strip().lower()
    if text == "pcie":
        kept = gpu.interconnect if gpu.link == "pcie" else None
        return evolve(gpu, link="pcie", interconnect=kept or _PCIE)
    if text == "nvlink":
        kept = gpu.interconnect if gpu.link in ("nvlink", "xgmi") else None
        return evolve(gpu, link="nvlink", interconnect=kept or _BRIDGE)
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if isinstance(asked, bool) or not 0 < rate <= _FASTEST:  # NaN is neither
        raise InputError(name="interconnect", value=asked, problem="must be nvlink, pcie, or GB/s such as 450")
    return evolve(gpu, link="nvlink" if rate * _GB > _FASTEST_PCIE else "pcie", interconnect=rate * _GB)
