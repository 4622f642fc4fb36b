"""Families whose layers only one attention backend takes, and those with blocks of their own.

Expected is what vLLM 0.33.0 said when asked on the meta device under a pretended GPU: "use_alibi_sqrt is not supported by
backend FLASH_ATTN", "FlashAttentionImpl.__init__() got an unexpected keyword argument 'chunk_lookback'", or a start.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vram

DECODER: dict[str, Any] = {
    "hidden_size": 1024,
    "num_hidden_layers": 4,
    "num_attention_heads": 16,
    "num_key_value_heads": 4,
    "intermediate_size": 2816,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16",
    "tie_word_embeddings": False,
}
STEP_1 = {**DECODER, "architectures": ["Step1ForCausalLM"], "num_attention_groups": 4}
RNJ_1 = {**DECODER, "architectures": ["Rnj1ForCausalLM"], "model_type": "gemma3_text", "sliding_window": 512}
ANSWERS = json.loads((Path(__file__).parent / "multimodal_answers.json").read_text())


def estimate(folder: Path, config: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    (folder / "config.json").write_text(json.dumps(config))
    return vram.estimate(str(folder), vllm_version="0.33.0", **arguments).to_dict()


@pytest.mark.parametrize("config", [STEP_1, RNJ_1], ids=["Step-1", "RNJ-1"])
@pytest.mark.parametrize(("gpu", "starts"), [("H100", False), ("B200", False), ("L40S", False), ("T4", True)])
def test_the_backend_that_vllm_chooses_may_not_take_the_layers(
    tmp_path: Path, config: dict[str, Any], gpu: str, starts: bool
) -> None:
    assert estimate(tmp_path, config, gpu=gpu)["verdict"]["starts"] is starts


@pytest.mark.parametrize("config", [STEP_1, RNJ_1], ids=["Step-1", "RNJ-1"])
def test_tritons_backend_takes_them_where_it_is_asked_for(tmp_path: Path, config: dict[str, Any]) -> None:
    assert estimate(tmp_path, config, gpu="H100", attention_backend="TRITON_ATTN")["verdict"]["starts"]


def test_rnj_1s_window_counts_on_chunked_layers_alone(tmp_path: Path) -> None:
    types = ["sliding_attention", "chunked_attention", "full_attention", "chunked_attention"]
    ropes = {name: {"rope_type": "default", "rope_theta": 10000.0} for name in types}

    found = estimate(tmp_path, {**RNJ_1, "layer_types": types, "rope_parameters": ropes}, gpu="T4")["kv_cache"][
        "groups"
    ]

    assert sorted((group["kind"], group["layers"]) for group in found) == [("full_attention", 2), ("sliding_window", 2)]


@pytest.mark.parametrize(
    ("arguments", "blocks", "tokens"),
    [
        ({}, 12850, 1644800),
        ({"kv_cache_dtype": "fp8"}, 24272, 3106816),  # the indexer's keys stay at 16 bits
        ({"block_size": 64}, 25700, 1644800),
        ({"block_size": 256}, 6425, 1644800),
    ],
)
def test_minimax_m3s_cache_comes_in_blocks_of_128(
    tmp_path: Path, arguments: dict[str, Any], blocks: int, tokens: int
) -> None:
    config = ANSWERS["minimax_m3"]["config"]

    found = estimate(tmp_path, config, gpu="H100", kv_cache_memory_bytes=20 * 2**30, **arguments)["kv_cache"]

    assert (found["num_blocks"], found["tokens"]) == (blocks, tokens)


def test_gemma_3_is_run_in_float32_where_there_is_no_bfloat16(tmp_path: Path) -> None:
    config = {**DECODER, "architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "head_dim": 64}

    turing, ampere = (estimate(tmp_path, config, gpu=gpu)["ranks"][0]["parameter_bytes"] for gpu in ("T4", "A100 80GB"))

    # all but the scales of attention, four numbers a layer that are float32 everywhere
    assert turing - 64 == 2 * (ampere - 64)
