"""Which kernel vLLM picks for packed integers, as far as it decides what stays in memory.

`kernels/linear/__init__.py:choose_mp_linear_kernel`, `mixed_precision/machete.py`, `marlin.py`: `can_implement` (0.33.0).
"""

from __future__ import annotations

from typing import Literal

from vram.quantization import marlin

IntKernel = Literal["machete", "marlin", "plain"]

_HOPPER, _TURING = (9, 0), (7, 5)
_MACHETE_GROUPS = (-1, 64, 128)
#: inputs and outputs of Machete's prepacked blocks
_MACHETE_INPUTS, _MACHETE_ROWS = 64, 128


def int_kernel(
    capability: tuple[int, int],
    *,
    bits: int,
    group_size: int,
    zero_points: bool,
    act_order: bool,
    rows: int,
    inputs: int,
) -> IntKernel:
    """Machete on 9.0 alone, then Marlin from 7.5, else one that keeps the tensors as they are stored."""
    fits = inputs % _MACHETE_INPUTS == 0 and rows % _MACHETE_ROWS == 0
    if capability == _HOPPER and bits in (4, 8) and group_size in _MACHETE_GROUPS and fits and not act_order:
        return "machete"
    widths = (4,) if zero_points else (4, 8)
    if capability >= _TURING and bits in widths and group_size in marlin.GROUP_SIZES:
        return "marlin"
    return "plain"
