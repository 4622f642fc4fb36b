"""What a model says of its cache reaches the planner. Numbers are vLLM 0.33.0's GPU wheel's for these configs and 8 GiB."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vram

GIB = 2**30
PALIGEMMA: dict[str, Any] = {
    "architectures": ["PaliGemmaForConditionalGeneration"], "dtype": "bfloat16", "hidden_size": 2048, "model_type": "paligemma",
    "projection_dim": 2048, "vocab_size": 257152,
    "text_config": {
        "head_dim": 256, "hidden_size": 2048, "intermediate_size": 16384, "max_position_embeddings": 8192, "model_type": "gemma",
        "num_attention_heads": 8, "num_hidden_layers": 4, "num_image_tokens": 256, "num_key_value_heads": 1, "vocab_size": 257152,
        "tie_word_embeddings": True,
    },
    "vision_config": {
        "hidden_size": 1152, "image_size": 224, "intermediate_size": 4096, "model_type": "siglip_vision_model",
        "num_attention_heads": 16, "num_hidden_layers": 27, "patch_size": 14, "projection_dim": 2048, "vision_use_head": False,
    },
}  # fmt: skip
GLM5: dict[str, Any] = {
    "architectures": ["GlmMoeDsaForCausalLM"], "dtype": "bfloat16", "first_k_dense_replace": 3, "hidden_size": 6144,
    "index_head_dim": 128, "index_n_heads": 32, "index_topk": 2048, "indexer_rope_interleave": True, "intermediate_size": 12288,
    "kv_lora_rank": 512, "max_position_embeddings": 202752, "moe_intermediate_size": 2048, "model_type": "glm_moe_dsa",
    "n_routed_experts": 8, "n_shared_experts": 1, "num_attention_heads": 64, "num_experts_per_tok": 8, "num_hidden_layers": 4,
    "num_key_value_heads": 64, "q_lora_rank": 2048, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256,
    "topk_method": "noaux_tc", "vocab_size": 154880, "rope_parameters": {"rope_theta": 1000000, "rope_type": "default"},
}  # fmt: skip
DEEPSEEK32 = {**GLM5, "architectures": ["DeepseekV32ForCausalLM"], "model_type": "deepseek_v32"}


@pytest.fixture
def plan(tmp_path: Path) -> Any:
    """The estimate of a config on a GPU with 8 GiB of cache."""

    def estimated(config: dict[str, Any], gpu: str, version: str = "0.33.0", **arguments: Any) -> vram.Estimate:
        (tmp_path / "config.json").write_text(json.dumps(config))
        given = {"kv_cache_memory_bytes": 8 * GIB, "vllm_version": version, **arguments}
        return vram.estimate(str(tmp_path), gpu=gpu, **given)

    return estimated


def failed(estimate: vram.Estimate) -> list[str]:
    return [check.name for check in estimate.verdict.checks if not check.passed and check.name != "weights"]


@pytest.mark.parametrize(("gpu", "blocks"), [("B200", 32768), ("H100", 131072), ("A100 80GB", 131072)])
def test_images_seen_both_ways_choose_the_backend(plan, gpu: str, blocks: int) -> None:
    found = plan(PALIGEMMA, gpu).kv_cache

    assert (found.num_blocks, found.tokens) == (blocks, 2_097_152)


def test_without_images_the_backend_is_the_ordinary_one(plan) -> None:
    # as vLLM 0.33.0 answers for PaliGemma 2 with limit_mm_per_prompt image 0: FLASHINFER and its blocks of 16
    assert plan(PALIGEMMA, "B200", limit_mm_per_prompt={"image": 0}).kv_cache.block_size == 16


@pytest.mark.parametrize(
    ("gpu", "version", "dtype", "blocks"),
    [
        ("B200", "0.33.0", "fp8_e4m3", 47393),  # 576 bytes a token
        ("H100", "0.33.0", "bfloat16", 26132),
        ("RTX 5090", "0.33.0", "bfloat16", 42581),  # packed: 656 bytes a token
        ("B200", "0.31.0", "bfloat16", 26132),
    ],
)
def test_glm5_has_an_fp8_cache_by_default_on_data_centre_blackwell(
    plan, gpu: str, version: str, dtype: str, blocks: int
) -> None:
    found = plan(GLM5, gpu, version).kv_cache

    assert (found.dtype, found.num_blocks) == (dtype, blocks)


def test_a_bfloat16_cache_of_deepseek_v32_is_the_default_one(plan) -> None:
    asked, default = (plan(DEEPSEEK32, "RTX 5090", kv_cache_dtype=dtype) for dtype in ("bfloat16", "auto"))

    assert asked.kv_cache.num_blocks == default.kv_cache.num_blocks
    assert failed(asked) == failed(default) == []
    assert failed(plan(GLM5, "RTX 5090", kv_cache_dtype="bfloat16")) == ["attention_backend"]


def test_a_layer_that_no_backend_serves_is_refused(plan) -> None:
    refused = plan(PALIGEMMA, "A100 80GB", kv_cache_dtype="fp8")

    assert failed(refused) == ["attention_backend"]
    assert not refused.verdict.starts
    assert failed(plan(PALIGEMMA, "L40S", kv_cache_dtype="fp8")) == []  # Triton reads fp8 from 8.9 on


@pytest.mark.parametrize(("version", "problems"), [("0.33.0", ["kv_cache_dtype"]), ("0.32.0", [])])
def test_an_unquantized_cache_must_have_the_models_dtype_since_0_33(plan, version: str, problems: list[str]) -> None:
    assert failed(plan(PALIGEMMA, "H100", version, kv_cache_dtype="float16")) == problems
    assert failed(plan(PALIGEMMA, "H100", version, kv_cache_dtype="bfloat16")) == []
