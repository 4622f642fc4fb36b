"""Marlin's tiles: what its repacked weights are padded to.

Sources: `quantization/utils/marlin_utils.py` (0.33.0): `marlin_padded_nk`, `marlin_moe_padded_intermediate`.
"""

from __future__ import annotations

from math import lcm

from vram.models.parameters import round_up

#: group sizes Marlin has kernels for; -1 is one scale per output
GROUP_SIZES = (-1, 32, 64, 128)


def padded(rows: int, inputs: int, group_size: int) -> tuple[int, int]:
    """(rows, inputs) of a linear after repacking: the cheaper of the tiles (64, 128) and (128, 64).

    Inputs stay a multiple of the group, so that scales keep a whole number of groups.
    """
    group = max(group_size, 1)
    wide = (round_up(rows, 64), round_up(inputs, lcm(128, group)))
    tall = (round_up(rows, 128), round_up(inputs, lcm(64, group)))
    return min(wide, tall, key=lambda nk: (nk[0] * nk[1], nk[0] + nk[1]))


def padded_experts(intermediate_size: int, group_size: int) -> int:
    """The experts' width after repacking: a multiple of 64 and of the group."""
    return round_up(intermediate_size, lcm(64, max(group_size, 1)))


def supports_experts(hidden_size: int, intermediate_size: int, group_size: int) -> bool:
    """Whether Marlin's fused experts take these sizes, padding allowed (`check_moe_marlin_supports_config`)."""
    whole = group_size <= 0 or intermediate_size % group_size == 0
    return hidden_size % 128 == 0 and whole and group_size in GROUP_SIZES
