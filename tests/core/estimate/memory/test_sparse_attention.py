"""Workspaces of attention to chosen tokens: sizes read off vLLM's code, confirmed on the logs that comments name."""

from __future__ import annotations

from vram.estimate.memory.shapes import SparseAttention
from vram.estimate.memory.sparse_attention import sparse_score_bytes, sparse_workspace_bytes
from vram.units import MIB

DEEPSEEK_V3_2 = SparseAttention(index_head_dim=128, index_ratio=1)
DEEPSEEK_V4 = SparseAttention(index_head_dim=128, index_ratio=4, head_dim=512, ratio=4, window=128)


def test_the_indexer_gathers_forty_contexts_of_keys_and_scales(make_run):
    # vLLM's own comment: 40 × 163840 × 132 = 865075200 bytes
    run = make_run(shapes={"sparse": DEEPSEEK_V3_2}, gathered_tokens=163840)
    assert sparse_workspace_bytes(run) == 865_075_200


def test_compressed_keys_are_gathered_for_four_prompts(make_run):
    # 4 × (8192 / 4 + 128 + 8192) × 512 × 2, more than 10 × 8192 × 132 of the indexer
    run = make_run(shapes={"sparse": DEEPSEEK_V4}, gathered_tokens=8192, tokens=8192)
    assert sparse_workspace_bytes(run) == 4 * (2048 + 128 + 8192) * 1024
    # at 800,000 tokens of context the indexer's is the larger (H200, 0.20.2)
    long = make_run(shapes={"sparse": DEEPSEEK_V4}, gathered_tokens=800_000, tokens=512)
    assert sparse_workspace_bytes(long) == 10 * 800_000 * 132


def test_scores_have_room_of_their_own_since_0_19(make_run):
    shapes = {"sparse": DEEPSEEK_V3_2}
    assert sparse_score_bytes(make_run(shapes=shapes, version=(0, 19, 0))) == 512 * MIB
    assert sparse_score_bytes(make_run(shapes=shapes, version=(0, 18, 1))) == 0


def test_other_models_gather_nothing(make_run):
    assert sparse_workspace_bytes(make_run()) == sparse_score_bytes(make_run()) == 0
