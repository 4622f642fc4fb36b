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


def test_the_list_of_0_33_number_by_number():
    # {1, 2, 4}, then by 8 to 255, then by 16; 2 × 133 requests = 266, the last multiple of 16 below is 256. 0.31 adds the
    # decode batch of all requests, 133, itself.
    sizes = capture_sizes((0, 33, 0), max_num_seqs=133, max_num_batched_tokens=8192, capability=(9, 0))
    assert sizes.piecewise == tuple(sorted({1, 2, 4, *range(8, 249, 8), 256, 133}))
    assert sizes.full == tuple(size for size in sizes.piecewise if size <= 133)
    before = capture_sizes((0, 30, 0), max_num_seqs=133, max_num_batched_tokens=8192, capability=(9, 0))
    assert before.piecewise == (1, 2, 4, *range(8, 249, 8), 256)


def test_steps_become_coarse_with_0_11_2():
    # 2 × 140 requests = 280: by 8 all the way (… 256, 264, 272, 280) or by 16 from 256 on (256, 272)
    sizes = {"max_num_seqs": 140, "max_num_batched_tokens": 8192, "capability": (9, 0)}
    assert capture_sizes((0, 11, 1), **sizes).piecewise == (1, 2, 4, *range(8, 281, 8))
    assert capture_sizes((0, 11, 2), **sizes).piecewise == (1, 2, 4, *range(8, 249, 8), 256, 272)


def test_full_decode_graphs_come_with_0_11():
    sizes = {"max_num_seqs": 8, "max_num_batched_tokens": 8192, "capability": (9, 0)}
    assert capture_sizes((0, 10, 2), **sizes).full == ()
    assert capture_sizes((0, 11, 0), **sizes).full == (1, 2, 4, 8)


@pytest.mark.parametrize(
    ("version", "seqs", "largest"),
    [
        ((0, 8, 0), 100, 512),  # always 512 until 0.10
        ((0, 9, 2), 4, 512),
        ((0, 10, 0), 4, 8),  # 2 × max_num_seqs, at most 512
        ((0, 10, 0), 400, 512),
    ],
)
def test_the_largest_size_by_version(version, seqs, largest):
    sizes = capture_sizes(version, max_num_seqs=seqs, max_num_batched_tokens=8192, capability=(9, 0))
    assert sizes.piecewise[-1] == largest


@pytest.mark.parametrize(
    ("seqs", "last"), [(1, (1,)), (3, (1, 2, 4)), (5, (2, 4, 8)), (100, (88, 96, 104)), (9000, (8176, 8184, 8192))]
)
def test_the_v0_engine_captures_up_to_the_size_that_holds_all_requests(seqs, last):
    sizes = capture_sizes((0, 7, 3), max_num_seqs=seqs, max_num_batched_tokens=64, capability=(8, 0), v0_engine=True)
    assert sizes.piecewise[-3:] == last
    assert sizes.full == ()


def test_a_batch_that_holds_fewer_tokens_ends_the_list():
    sizes = capture_sizes((0, 33, 0), max_num_seqs=256, max_num_batched_tokens=4, capability=(9, 0))
    assert sizes.piecewise == (1, 2, 4)
    old = capture_sizes((0, 9, 2), max_num_seqs=256, max_num_batched_tokens=16, capability=(9, 0))
    assert old.piecewise == (1, 2, 4, 8, 16)


def test_data_centre_blackwell_captures_up_to_1024_since_0_28():
    sizes = {"max_num_seqs": 1024, "max_num_batched_tokens": 8192}
    assert capture_sizes((0, 28, 0), capability=(10, 0), **sizes).piecewise[-1] == 1024
    for version, capability in (((0, 27, 1), (10, 0)), ((0, 28, 0), (9, 0)), ((0, 28, 0), (12, 0))):
        assert capture_sizes(version, capability=capability, **sizes).piecewise[-1] == 512


def test_speculation_counts_in_the_largest_size_since_0_13():
    # 4 requests × 3 tokens × 2
    sizes = {"max_num_seqs": 4, "max_num_batched_tokens": 8192, "capability": (9, 0), "query_length": 3}
    assert capture_sizes((0, 12, 0), **sizes).piecewise == (1, 2, 4, 8)
    since = capture_sizes((0, 13, 0), **sizes)
    assert since.piecewise == (1, 2, 4, 8, 16, 24)
    assert since.full == (3, 6, 9)  # multiples of one request's 3 tokens, up to the 12 of all
    assert capture_sizes((0, 29, 0), **sizes).full == (3, 6, 9, 12)  # and of a grid of requests: 1, 2 and 4 times 3


def test_the_batch_of_all_requests_is_captured_only_where_the_list_reaches_it():
    # 1000 requests: beyond 512, so it is not added
    sizes = capture_sizes((0, 29, 0), max_num_seqs=1000, max_num_batched_tokens=8192, capability=(9, 0))
    assert sizes.piecewise[-1] == 512
    exactly = capture_sizes((0, 31, 0), max_num_seqs=9, max_num_batched_tokens=9, capability=(9, 0))
    assert exactly.piecewise == (1, 2, 4, 8, 9)


def test_graphs_count_both_modes():
    sizes = capture_sizes((0, 33, 0), max_num_seqs=2, max_num_batched_tokens=2048, capability=(9, 0))
    assert (sizes.piecewise, sizes.full, sizes.graphs) == ((1, 2, 4), (1, 2), 5)


@pytest.mark.parametrize(
    ("version", "seqs", "sizes"),
    [
        # twice the requests is the largest; the last size of each step is one that it allows
        ((0, 11, 1), 4, (4, 8)),
        ((0, 11, 1), 131, (248, 256)),  # 262
        ((0, 28, 0), 8, (8, 16)),
        ((0, 28, 0), 127, (240, 248)),  # 254
        ((0, 28, 0), 128, (248, 256)),
        ((0, 28, 0), 135, (248, 256)),  # 270
        ((0, 28, 0), 136, (256, 272)),
    ],
)
def test_the_largest_size_ends_each_step(version, seqs, sizes):
    found = capture_sizes(version, max_num_seqs=seqs, max_num_batched_tokens=8192, capability=(9, 0))
    assert found.piecewise[-2:] == sizes


@pytest.mark.parametrize(
    ("tokens", "sizes"),
    [(8, (4, 8)), (16, (8, 16)), (255, (240, 248)), (256, (248, 256)), (271, (248, 256)), (272, (256, 272))],
)
def test_a_batch_of_fewer_tokens_ends_the_list_of_0_14_1(tokens, sizes):
    # config/vllm.py of 0.14.1: range(8, min(largest + 1, 256), 8) and range(256, largest + 1, 16)
    found = capture_sizes((0, 14, 1), max_num_seqs=1024, max_num_batched_tokens=tokens, capability=(9, 0))
    assert found.piecewise[-2:] == sizes


def test_a_batch_of_fewer_tokens_ends_the_list_of_0_10_2():
    # config/__init__.py of 0.10.2: [1, 2, 4] and multiples of 8, as far as max_num_batched_tokens holds them
    found = capture_sizes((0, 10, 2), max_num_seqs=1024, max_num_batched_tokens=263, capability=(9, 0))
    assert found.piecewise == (1, 2, 4, *range(8, 257, 8))


@pytest.mark.parametrize(
    ("version", "capability", "architecture", "largest"),
    [
        ((0, 9, 2), (9, 0), "", 512),
        ((0, 33, 0), (9, 0), "", 512),
        ((0, 33, 0), (10, 0), "", 1024),
        ((0, 33, 0), (9, 0), "GptOssForCausalLM", 1024),
        ((0, 9, 2), (9, 0), "GptOssForCausalLM", 512),
    ],
)
def test_no_size_beyond_the_ceiling(version, capability, architecture, largest):
    # a decode batch of exactly one more than the ceiling is not captured, the ceiling itself is
    for seqs, last in ((largest, largest), (largest + 1, largest)):
        found = capture_sizes(
            version, max_num_seqs=seqs, max_num_batched_tokens=99_999, capability=capability, architecture=architecture
        )
        assert found.piecewise[-1] == last


def test_a_whole_batch_within_the_ceiling_is_captured_since_0_20_1():
    # `_set_cudagraph_sizes` of 0.20.0 lacks "max_num_tokens not in cudagraph_capture_sizes", 0.20.1 has it
    sizes = {"max_num_seqs": 256, "max_num_batched_tokens": 257, "capability": (9, 0)}
    assert capture_sizes((0, 20, 0), **sizes).piecewise[-1] == 256
    assert capture_sizes((0, 20, 1), **sizes).piecewise[-2:] == (256, 257)


def test_gpt_oss_gets_no_decode_batches_besides():
    # its 1024 stands where a user's own ceiling would
    sizes = capture_sizes(
        (0, 33, 0), max_num_seqs=133, max_num_batched_tokens=8192, capability=(9, 0), architecture="GptOssForCausalLM"
    )
    assert 133 not in sizes.piecewise
