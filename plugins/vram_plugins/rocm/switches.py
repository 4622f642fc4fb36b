"""AITER, AMD's library of kernels: off unless a server's environment asks for it, in every release.

`vllm/envs.py` and `_aiter_ops.py:rocm_aiter_ops` (0.9.2 to 0.33.0). The kernels are built for CDNA 3 and later; of RDNA 4 only
attention and linears are, since 0.28.
"""

from __future__ import annotations

from vram.models.platform import Chip
from vram.vllm.versions import FOREVER, Version
from vram_plugins.rocm.chips import cdna, rdna4

_MAIN = "VLLM_ROCM_USE_AITER"
_ON_RDNA4: Version = (0, 28, 0)
#: variables that decide memory: the first release that reads each, the first that does not
VARIABLES: dict[str, tuple[Version, Version]] = {
    _MAIN: ((0, 7, 3), FOREVER),
    f"{_MAIN}_MOE": ((0, 7, 3), FOREVER),
    f"{_MAIN}_LINEAR": ((0, 7, 3), FOREVER),
    f"{_MAIN}_MLA": ((0, 8, 4), FOREVER),
    f"{_MAIN}_MHA": ((0, 9, 0), FOREVER),
    f"{_MAIN}_UNIFIED_ATTENTION": ((0, 11, 1), FOREVER),
    f"{_MAIN}_FP8BMM": ((0, 10, 2), FOREVER),
    f"{_MAIN}_FP4BMM": ((0, 14, 0), FOREVER),
    f"{_MAIN}_FUSION_SHARED_EXPERTS": ((0, 11, 1), FOREVER),
    "VLLM_ROCM_MOE_PADDING": ((0, 6, 6), FOREVER),
    "VLLM_ROCM_FP8_PADDING": ((0, 8, 2), FOREVER),
}
#: parts that are off though AITER is on, until they are asked for; those since a release
_OFF_SINCE = {
    "UNIFIED_ATTENTION": (0, 0, 0), "FUSION_SHARED_EXPERTS": (0, 0, 0), "FP8BMM": (0, 32, 0), "FP4BMM": (0, 32, 0),
}  # fmt: skip


def _on(text: str, *, default: bool) -> bool:
    return default if not text else text.strip().lower() in {"1", "true"}


def asked(chip: Chip) -> bool:
    """Whether the environment switches AITER on."""
    return _on(chip.setting(_MAIN), default=False)


def part(chip: Chip, name: str, version: Version) -> bool:
    """Whether a part of AITER ("MOE", "MLA", "MHA" …) runs on a chip: CDNA 3 and later."""
    off = version >= _OFF_SINCE.get(name, FOREVER)
    return asked(chip) and cdna(chip.architecture) >= 3 and _on(chip.setting(f"{_MAIN}_{name}"), default=not off)


def on_rdna4(chip: Chip, version: Version) -> bool:
    """Whether AITER's Triton attention comes first on a Radeon."""
    return asked(chip) and rdna4(chip.architecture) and version >= _ON_RDNA4


def padding(chip: Chip, what: str) -> bool:
    """Whether rows are padded after loading: "MOE" or "FP8", both unless the environment says no."""
    return _on(chip.setting(f"VLLM_ROCM_{what}_PADDING"), default=True)
