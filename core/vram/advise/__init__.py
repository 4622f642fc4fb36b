"""Advice that goes beyond one answer: speed, the least hardware, the curves around it.

Public are the names below, and those that `vram` itself has (`vram.performance`, `vram.min_gpus` ...).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.advise.curves import plots_of
    from vram.advise.inverse import lowest_share, smallest_memory
    from vram.advise.performance import performance_of
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.advise.curves": "plots_of",
            "vram.advise.inverse": "lowest_share smallest_memory",
            "vram.advise.performance": "performance_of",
        },
    )

__all__ = ["lowest_share", "performance_of", "plots_of", "smallest_memory"]
