"""Engines and model runners by version."""

from __future__ import annotations

import pytest

from vram.vllm.engine import fuses_all_reduce, keeps_moe_workspace, uses_v0_engine, uses_v2_runner


@pytest.mark.parametrize(
    ("version", "capability", "old"),
    [((0, 7, 3), (9, 0), True), ((0, 8, 0), (9, 0), False), ((0, 8, 5), (7, 0), True), ((0, 11, 0), (7, 5), False)],
)
def test_old_engine(version, capability, old):
    assert uses_v0_engine(version, capability) is old


@pytest.mark.parametrize(
    ("version", "architecture", "moe", "recurrent", "quantized", "v2"),
    [
        ((0, 21, 0), "Qwen3ForCausalLM", False, False, False, False),
        ((0, 22, 0), "Qwen3ForCausalLM", False, False, False, True),
        ((0, 22, 0), "Qwen3ForCausalLM", False, False, True, False),
        ((0, 23, 0), "LlamaForCausalLM", False, False, False, True),
        ((0, 24, 0), "DeepseekV2ForCausalLM", True, False, False, True),
        ((0, 25, 1), "Gemma3ForConditionalGeneration", False, False, False, True),
        ((0, 25, 1), "Qwen3NextForCausalLM", True, True, False, False),
        ((0, 29, 0), "Qwen3NextForCausalLM", True, True, False, True),
    ],
)
def test_v2_runner_by_version(version, architecture, moe, recurrent, quantized, v2):
    chosen = uses_v2_runner(
        version, architecture=architecture, moe=moe, recurrent=recurrent, quantized=quantized, generates=True
    )
    assert chosen is v2


def test_workspace_is_kept_in_0_11_and_since_0_14():
    versions = ((0, 10, 2), (0, 11, 2), (0, 13, 0), (0, 14, 0), (0, 33, 0))
    assert [keeps_moe_workspace(v) for v in versions] == [False, True, False, True, True]


def test_fused_all_reduce_needs_tensor_parallelism_alone():
    good = {"capability": (9, 0), "tp": 2, "pp": 1, "dp": 1, "eager": False}
    assert fuses_all_reduce((0, 19, 0), **good)
    for change in ({"tp": 1}, {"pp": 2}, {"dp": 2}, {"eager": True}, {"capability": (8, 9)}):
        assert not fuses_all_reduce((0, 19, 0), **{**good, **change})
