"""Models that torch.compile does not run for, and what stands back where it does."""

from __future__ import annotations

import pytest

from vram.architecture.compiling import breaks_graphs
from vram.ask.asking import ask
from vram.estimate.parts import compute

SWITCH = "VLLM_USE_BREAKABLE_CUDAGRAPH"


@pytest.mark.parametrize(
    ("architecture", "version", "variables", "broken"),
    [
        ("DeepseekV4ForCausalLM", (0, 22, 1), {}, False),
        ("DeepseekV4ForCausalLM", (0, 23, 0), {}, True),
        ("DeepseekV32ForCausalLM", (0, 28, 0), None, False),
        ("DeepseekV32ForCausalLM", (0, 29, 0), None, True),
        ("DeepseekV32ForCausalLM", (0, 33, 0), {SWITCH: "0"}, False),
        ("DeepseekV3ForCausalLM", (0, 33, 0), None, False),
        ("DeepseekV3ForCausalLM", (0, 33, 0), {SWITCH: "1"}, True),
        ("DeepseekV3ForCausalLM", (0, 21, 0), {SWITCH: "1"}, False),  # no release before 0.22 reads it
    ],
)
def test_graphs_are_broken_where_the_release_or_the_variable_says(architecture, version, variables, broken) -> None:
    assert breaks_graphs(architecture, version, variables) is broken


@pytest.mark.parametrize(
    ("version", "arguments", "table_bytes"),
    [
        ("0.33.0", {}, 2),
        (
            "0.33.0",
            {"enforce_eager": True},
            4,
        ),  # 85,182,074,864 bytes of parameters and buffers, as vLLM 0.33.0 makes them
        ("0.33.0", {"environment": {SWITCH: "1"}}, 4),
        ("0.33.0", {"compilation_config": {"mode": 0}}, 4),
        ("0.13.0", {"enforce_eager": True}, 2),  # FlashInfer's kernel came with 0.14
    ],
)
def test_a_scaled_table_of_latent_attention_is_float32_where_nothing_is_compiled(
    version, arguments, table_bytes
) -> None:
    asked = {"gpu": "H200", "tensor_parallel_size": 8, "vllm_version": version}
    plain, found = (compute(ask("deepseek-ai/DeepSeek-R1", **asked, **more)) for more in ({}, arguments))
    grown = found.weights[0].parameter_bytes - plain.weights[0].parameter_bytes
    assert grown == 163840 * 64 * (table_bytes - 2)
    if version == "0.33.0":
        assert found.weights[0].parameter_bytes == 85_161_103_344 + grown  # as vLLM 0.33.0 made it on a pretended H200
