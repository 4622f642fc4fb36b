"""Which GPU a name, a driver or a request means, and which overhead profile goes with it.

Public are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.gpus.choose import choose_hardware, hardware_of, profile_named
    from vram.gpus.detect import detect_gpus, known_gpu
    from vram.gpus.find import all_gpus, find_gpu, gpu_clashes, profile_for
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.gpus.choose": "choose_hardware hardware_of profile_named",
            "vram.gpus.detect": "detect_gpus known_gpu",
            "vram.gpus.find": "all_gpus find_gpu gpu_clashes profile_for",
        },
    )

__all__ = [
    "all_gpus", "choose_hardware", "detect_gpus", "find_gpu", "gpu_clashes", "hardware_of", "known_gpu", "profile_for", "profile_named",
]  # fmt: skip
