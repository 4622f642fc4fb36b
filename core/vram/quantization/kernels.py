"""Which kernel vLLM picks for a linear of packed integers, as far as it decides what stays in memory.

`kernels/linear/__init__.py:choose_mp_linear_kernel`, `mixed_precision/machete.py`, `marlin.py`, `humming.py`:
`can_implement` (0.33.0). Experts: `expert_kernels.py`.
"""

from __future__ import annotations

from typing import Literal

from vram.quantization import humming, marlin
from vram.quantization.target import Target

IntKernel = Literal["machete", "humming", "marlin", "plain"]

_MACHETE_GROUPS = (-1, 64, 128)
#: inputs and outputs of Machete's prepacked blocks
_MACHETE_INPUTS, _MACHETE_ROWS = 64, 128


def repacked(rows: int, inputs: int, group_size: int, target: Target) -> tuple[int, int]:
    """(rows, inputs) of a linear whose weights alone are quantized: as Humming pads it where it comes first, else Marlin."""
    if target.elsewhere:
        return rows, inputs
    return humming.padded(rows, inputs) if humming.preferred(target) else marlin.padded(rows, inputs, group_size)


def int_kernel(
    target: Target,
    *,
    bits: int,
    group_size: int,
    zero_points: bool,
    act_order: bool,
    rows: int,
    inputs: int,
) -> IntKernel:
    """Machete on Hopper alone, then Humming there, Marlin from Turing, else one that keeps what is stored."""
    fits = inputs % _MACHETE_INPUTS == 0 and rows % _MACHETE_ROWS == 0
    if target.generation == "hopper" and bits in (4, 8) and group_size in _MACHETE_GROUPS and fits and not act_order:
        return "machete"
    if humming.preferred(target) and not act_order:
        return "humming"
    if target.elsewhere:
        return "plain"
    widths = (4,) if zero_points else (4, 8)
    if target.generation != "older" and bits in widths and group_size in marlin.GROUP_SIZES:
        return "marlin"
    return "plain"
