"""Fused-MoE workspaces; the comments name the model whose logs confirm the figure."""

from __future__ import annotations

import pytest

from vram.estimate.memory.moe_workspace import moe_passing_bytes, moe_workspace_bytes
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
    assert moe_workspace_bytes(make_run(shapes=mxfp4)) == 0
    assert moe_workspace_bytes(make_run(shapes=mxfp4, capability=(8, 9))) > 0  # Marlin
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
    assert moe_passing_bytes(make_run(shapes=shapes)) == 720 * MIB
    assert moe_passing_bytes(make_run(shapes=shapes, capability=(8, 9))) == 0  # in the workspace instead
