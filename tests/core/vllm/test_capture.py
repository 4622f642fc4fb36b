"""Capture sizes, against the counts vLLM's own code gives (0.9.2 to 0.33.0)."""

from __future__ import annotations

import pytest

from vram.vllm.capture import capture_sizes


@pytest.mark.parametrize(
    ("version", "seqs", "tokens", "capability", "piecewise", "full"),
    [
        ((0, 33, 0), 1024, 8192, (9, 0), 51, 51),  # {1, 2, 4}, 8 to 248 by 8, 256 to 512 by 16
        ((0, 33, 0), 128, 8192, (9, 0), 35, 19),  # up to 256; full graphs up to 128
        ((0, 33, 0), 1024, 8192, (10, 0), 83, 83),
        ((0, 27, 0), 1024, 8192, (10, 0), 51, 51),
        ((0, 11, 0), 1024, 8192, (9, 0), 67, 67),
        ((0, 10, 2), 256, 2048, (8, 0), 67, 0),
        ((0, 33, 0), 2, 2048, (9, 0), 3, 2),  # 1, 2, 4; full up to two requests
    ],
)
def test_number_of_sizes(version, seqs, tokens, capability, piecewise, full):
    sizes = capture_sizes(version, max_num_seqs=seqs, max_num_batched_tokens=tokens, capability=capability)
    assert (len(sizes.piecewise), len(sizes.full)) == (piecewise, full)


def test_gpt_oss_captures_up_to_1024():
    sizes = capture_sizes(
        (0, 33, 0),
        max_num_seqs=256,
        max_num_batched_tokens=8192,
        capability=(9, 0),
        architecture="GptOssForCausalLM",
    )
    assert sizes.piecewise[-1] == 1024
    assert len(sizes.piecewise) == 83


def test_speculation_widens_the_decode_batch():
    sizes = capture_sizes((0, 33, 0), max_num_seqs=20, max_num_batched_tokens=8192, capability=(9, 0), query_length=3)
    assert max(sizes.piecewise) == 120
    assert max(sizes.full) == 60
