"""Advice that goes beyond one answer: speed, recommendation, comparison, the curves around it.

Public are the names below, and those that `vram` itself has (`vram.plan`, `vram.compare`, `vram.performance` ...).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.advise.curves import plots_of
else:
    __getattr__ = names_from(__name__, {"vram.advise.curves": "plots_of"})

__all__ = ["plots_of"]
