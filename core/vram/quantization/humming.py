"""Humming's tiles: what its weights are padded to after loading, on Hopper since 0.32.

`quantization/utils/humming/moe.py`, `linear.py` (0.33.0: `pad_n_to_multiple=256`, `pad_k_to_multiple=128`) and humming 0.1.19
`transform.py:check_and_pad_tensors`; it comes before Marlin there (`utils/humming/priority.py`, 0.32.0).
"""

from __future__ import annotations

from vram.dtypes import dtype_bytes
from vram.models.parameters import LocalExperts, round_up
from vram.quantization.target import Target

_ROWS, _INPUTS, _SINCE = 256, 128, (0, 32, 0)


def preferred(target: Target) -> bool:
    """Whether Humming's kernels come before Marlin's."""
    return target.generation == "hopper" and target.version >= _SINCE


def padded(rows: int, inputs: int) -> tuple[int, int]:
    """(rows, inputs) of a matrix after loading."""
    return round_up(rows, _ROWS), round_up(inputs, _INPUTS)


def integer_experts(
    shape: LocalExperts, rows: int, inputs: int, bits: int, group_size: int, zero_points: bool
) -> tuple[int, int, int]:
    """Bytes of one of the experts' matrices over all experts, of its scales and of its zero points, after loading."""
    rows, inputs = padded(rows, inputs)
    groups = 1 if group_size < 0 else inputs // group_size
    values = shape.experts * rows * groups
    weight = shape.experts * rows * inputs * bits // 8
    return weight, values * dtype_bytes(shape.dtype), values * bits // 8 if zero_points else 0
