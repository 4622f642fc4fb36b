"""Blocks of PyTorch's caching allocator."""

from __future__ import annotations

import pytest

from vram.vllm.allocator import block_bytes

MIB = 2**20


@pytest.mark.parametrize(
    ("size", "block"),
    [
        (0, 0),
        (4, 512),
        (513, 1024),
        (3 * MIB + 1, 3 * MIB + 512),  # below 10 MiB: only rounded to 512
        (12 * MIB, 12 * MIB),
        (10 * MIB - 512, 10 * MIB - 512),
        (21 * MIB // 2, 21 * MIB // 2),  # 10.5 MiB in a segment of 12: one and a half are split off
        (23 * MIB // 2, 12 * MIB),  # 11.5 MiB in 12: half a MiB stays
        (11 * MIB, 12 * MIB),
        (35 * MIB // 2, 18 * MIB),  # 17.5 MiB in 18: half a MiB is too little to split off
        (25 * MIB // 2, 25 * MIB // 2),  # 12.5 MiB in 14: one and a half are split off
        (85 * MIB, 86 * MIB),  # exactly 1 MiB is not more than 1 MiB
    ],
)
def test_a_tensor_takes_its_block(size: int, block: int) -> None:
    assert block_bytes(size) == block
