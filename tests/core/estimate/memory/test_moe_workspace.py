"""Fused-MoE workspaces; the comments name the model whose logs confirm the figure."""

from __future__ import annotations

import pytest

from vram.estimate.memory.moe_workspace import keeps_workspace, moe_passing_bytes, moe_workspace_bytes
from vram.units import GIB, MIB


@pytest.mark.parametrize(
    ("hidden", "intermediate", "top_k", "tp", "expected"),
    [
        (2048, 768, 8, 1, 512 * MIB),  # Qwen3-30B-A3B: 65536 rows × (2048 + 2048) × 2 bytes
        (4096, 1536, 8, 4, GIB),  # Qwen3-235B over 4: 65536 × (4096 + 4096) × 2
        (7168, 2048, 8, 8, 1792 * MIB),  # DeepSeek-R1 over 8: 65536 × (7168 + 7168) × 2
        (2048, 1408, 6, 1, 456 * MIB),  # DeepSeek-V2-Lite: 49152 × (2048 + 2816) × 2
    ],
)
def test_two_workspaces_of_tokens_times_top_k_rows(make_run, make_experts, hidden, intermediate, top_k, tp, expected):
    experts = make_experts(hidden=hidden, intermediate=intermediate, top_k=top_k, tp=tp)
    assert moe_workspace_bytes(make_run(shapes={"experts": experts})) == expected


def test_dense_models_need_none(make_run):
    assert moe_workspace_bytes(make_run()) == 0


def test_kernels_with_their_own_buffers_need_none(make_run, make_experts):
    size = {"hidden": 2048, "intermediate": 768, "top_k": 8}
    mxfp4 = {"experts": make_experts(**size, kernel="mxfp4")}
    assert moe_workspace_bytes(make_run(shapes=mxfp4, architecture="GptOssForCausalLM")) == 0  # Triton
    assert moe_workspace_bytes(make_run(shapes=mxfp4, architecture="DeepseekV4ForCausalLM")) > 0  # Marlin
    assert (
        moe_workspace_bytes(make_run(shapes=mxfp4, architecture="GptOssForCausalLM", capability=(8, 9))) > 0
    )  # Marlin
    nvfp4 = {"experts": make_experts(**size, kernel="nvfp4")}
    assert moe_workspace_bytes(make_run(shapes=nvfp4, capability=(10, 0))) == 0
    assert moe_workspace_bytes(make_run(shapes=nvfp4)) > 0
    ungated = {"experts": make_experts(**size, gated=False)}
    assert moe_workspace_bytes(make_run(shapes=ungated)) == 0
    assert moe_workspace_bytes(make_run(shapes=ungated, version=(0, 14, 1))) > 0


def test_old_versions_work_in_chunks(make_run, make_experts):
    shapes = {"experts": make_experts(hidden=2048, intermediate=768, top_k=8)}
    whole = moe_workspace_bytes(make_run(shapes=shapes, tokens=65536))
    assert moe_workspace_bytes(make_run(shapes=shapes, tokens=65536, version=(0, 14, 1))) == whole // 4


def test_their_buffers_live_during_the_forward_only(make_run, make_experts):
    # gpt-oss-20b: 8192 × 4 rows × (5760 + 2880 + 2880) × 2 bytes = 720 MiB
    shapes = {"experts": make_experts(hidden=2880, intermediate=2880, top_k=4, kernel="mxfp4")}
    gpt_oss = "GptOssForCausalLM"
    assert moe_passing_bytes(make_run(shapes=shapes, architecture=gpt_oss)) == 720 * MIB
    assert (
        moe_passing_bytes(make_run(shapes=shapes, architecture=gpt_oss, capability=(8, 9))) == 0
    )  # in the workspace instead


def test_every_data_parallel_ranks_tokens_are_gathered(make_run, make_experts):
    # Qwen3-30B-A3B: 65536 rows × (2048 + 2048) × 2 bytes on one rank, four times that on four
    shapes = {"experts": make_experts(hidden=2048, intermediate=768, top_k=8)}
    assert moe_workspace_bytes(make_run(shapes=shapes, dp=4)) == 4 * 512 * MIB
    # and up to 0.17 they are worked off in chunks of 16384 tokens, however many there are
    old = make_run(shapes=shapes, dp=4, version=(0, 17, 1))
    assert moe_workspace_bytes(old) == 16384 * 8 * (2048 + 2048) * 2


def test_chunks_changed_with_0_12_and_ended_with_0_18(make_run, make_experts):
    shapes = {"experts": make_experts(hidden=2048, intermediate=768, top_k=8)}
    for version, tokens in (((0, 11, 2), 32768), ((0, 12, 0), 16384), ((0, 17, 1), 16384), ((0, 18, 0), 100_000)):
        run = make_run(shapes=shapes, tokens=100_000, version=version)
        assert moe_workspace_bytes(run) == tokens * 8 * (2048 + 2048) * 2, version


def test_the_largest_layer_decides(make_run, make_experts):
    small, large = (make_experts(hidden=2048, intermediate=width, top_k=8) for width in (768, 4096))
    both = make_run(shapes={"experts": small + large})
    assert moe_workspace_bytes(both) == moe_workspace_bytes(make_run(shapes={"experts": large}))
    # 65536 rows × (4096 + 2 × 4096) × 2 bytes
    assert moe_workspace_bytes(both) == 65536 * 3 * 4096 * 2


@pytest.mark.parametrize(
    ("kernel", "capability", "version", "needed"),
    [
        ("mxfp4", (8, 9), (0, 33, 0), True),  # Marlin below 9.0
        ("mxfp4", (9, 0), (0, 33, 0), False),
        ("nvfp4", (9, 0), (0, 33, 0), True),
        ("nvfp4", (10, 0), (0, 33, 0), False),
        ("fp8_block", (10, 0), (0, 33, 0), False),
        ("fp8_block", (10, 3), (0, 33, 0), False),
        ("fp8_block", (12, 0), (0, 33, 0), True),
        ("fp8_block", (9, 0), (0, 14, 1), True),
        ("fp8_block", (9, 0), (0, 15, 0), False),
        ("fp8_block", (9, 0), (0, 17, 1), False),
        ("fp8_block", (9, 0), (0, 18, 0), True),
        ("plain", (10, 0), (0, 16, 0), True),
    ],
)
def test_which_kernels_need_the_workspace(make_run, make_experts, kernel, capability, version, needed):
    experts = make_experts(hidden=2048, intermediate=768, top_k=8, kernel=kernel)
    run = make_run(
        shapes={"experts": experts}, capability=capability, version=version, architecture="GptOssForCausalLM"
    )
    assert (moe_workspace_bytes(run) > 0) is needed
    assert (moe_passing_bytes(run) > 0) is not needed


def test_experts_without_gate_need_none_since_0_15(make_run, make_experts):
    ungated = {"experts": make_experts(hidden=2048, intermediate=768, top_k=8, gated=False)}
    assert moe_workspace_bytes(make_run(shapes=ungated, version=(0, 14, 1))) > 0
    assert moe_workspace_bytes(make_run(shapes=ungated, version=(0, 15, 0))) == 0


def test_buffers_of_the_forward_are_as_wide_as_one_layers(make_run, make_experts):
    # of two layers the wider: 8192 × 4 rows × (2 × 2880 + 2880 + 2880) × 2 bytes; not gated 1 × 2880
    small, large = (make_experts(hidden=2880, intermediate=w, top_k=4, kernel="mxfp4") for w in (64, 2880))
    gpt_oss = "GptOssForCausalLM"
    assert moe_passing_bytes(make_run(shapes={"experts": small + large}, architecture=gpt_oss)) == 720 * MIB
    assert moe_passing_bytes(make_run(shapes={"experts": large + small}, architecture=gpt_oss, dp=2)) == 2 * 720 * MIB


def test_narrow_block_wise_fp8_of_0_11_0_frees_what_it_works_in(make_run, make_experts):
    # DeepSeek-R1 over 8: 256 wide, which DeepGEMM does not take (deep_gemm_moe.py:_valid_deep_gemm, 0.11.0). Triton's function
    # (fused_moe.py:fused_experts_impl) makes tokens × 8 × 7168 for both products and tokens × 8 × 256 between them
    shapes = {"experts": make_experts(hidden=7168, intermediate=2048, top_k=8, tp=8, kernel="fp8_block")}
    old, new = (make_run(version=version, tp=8, shapes=shapes) for version in ((0, 11, 0), (0, 11, 2)))
    assert not keeps_workspace(old)
    assert keeps_workspace(new)
    assert moe_workspace_bytes(old) == 8192 * 8 * (7168 + 256) * 2
    assert moe_workspace_bytes(new) == 8192 * 8 * (7168 + 7168) * 2
    wide = {"experts": make_experts(hidden=7168, intermediate=2048, top_k=8, tp=2, kernel="fp8_block")}
    assert keeps_workspace(make_run(version=(0, 11, 0), tp=2, shapes=wide))
