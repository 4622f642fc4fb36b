"""Fields of Mistral's own files, one by one as vLLM 0.33.0's `transformers_utils/configs/mistral.py:adapt_config_dict` renames them."""

from __future__ import annotations

from typing import Any

import pytest

from vram.checkpoint.mistral_params import config_fields
from vram.errors import CheckpointError


def fields(**params: Any) -> dict[str, object]:
    return config_fields({"dim": 8, **params}, "x")


def test_each_field_has_the_name_that_a_config_gives_it() -> None:
    params = {
        "norm_eps": 1e-5, "n_kv_heads": 1, "n_layers": 4, "n_heads": 2, "hidden_dim": 16, "activation": "silu", "tied_embeddings": True,
        "head_dim": 4, "vocab_size": 32, "rope_theta": 1e6, "q_lora_rank": 5, "kv_lora_rank": 6, "qk_nope_head_dim": 7, "note": 1,
    }  # fmt: skip
    assert fields(**params) == {
        "hidden_size": 8, "rms_norm_eps": 1e-5, "num_key_value_heads": 1, "num_hidden_layers": 4, "num_attention_heads": 2,
        "intermediate_size": 16, "hidden_act": "silu", "tie_word_embeddings": True, "head_dim": 4, "vocab_size": 32, "rope_theta": 1e6,
        "q_lora_rank": 5, "kv_lora_rank": 6, "qk_nope_head_dim": 7, "max_position_embeddings": 128_000,
        "architectures": ["MistralForCausalLM"], "model_type": "mistral",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("params", "longest"),
    [
        ({}, 128_000),
        ({"max_seq_len": 4096}, 4096),
        ({"max_seq_len": 0}, 128_000),
        ({"max_seq_len": 4096, "max_position_embeddings": 8192}, 8192),
    ],
)
def test_the_longest_context_is_the_files_or_128_000(params: dict[str, Any], longest: int) -> None:
    assert fields(**params)["max_position_embeddings"] == longest


@pytest.mark.parametrize(
    ("window", "layers", "kinds", "size"),
    [
        ([4096, None], 4, ["sliding_attention", "full_attention"] * 2, 4096),
        ([None, None, 7], 6, ["full_attention", "full_attention", "sliding_attention"] * 2, 7),
        ([None], 2, ["full_attention"] * 2, None),
        ([5], 10_000, ["sliding_attention"] * 10_000, 5),
        ([3] * 10_000, 10_000, ["sliding_attention"] * 10_000, 3),
    ],
)
def test_windows_per_layer_repeat_over_the_depth(window: list[Any], layers: int, kinds: list[str], size: Any) -> None:
    found = fields(n_layers=layers, sliding_window=window)
    assert (found["layer_types"], found["sliding_window"]) == (kinds, size)


@pytest.mark.parametrize(
    ("window", "layers"),
    [([], 2), ([1, 2], 2), ([1], None), ([1], 10_001), ([1] * 10_001, 2), (["1"], 2), ([1.5], 2), ([None, {}], 2)],
)
def test_a_list_of_windows_that_is_no_pattern_of_one_is_refused(window: list[Any], layers: Any) -> None:
    with pytest.raises(CheckpointError, match="neither a number nor a pattern of one"):
        fields(n_layers=layers, sliding_window=window)


def test_one_window_stays_as_it_is() -> None:
    assert fields(sliding_window=4096)["sliding_window"] == 4096


EXPERTS = {
    "num_experts": 8,
    "num_experts_per_tok": 2,
    "route_every_n": 1,
    "first_k_dense_replace": 3,
    "expert_hidden_dim": 4,
}


def test_experts_with_a_shared_one_are_mistral_large_3() -> None:
    found = fields(moe={**EXPERTS, "num_shared_experts": 1, "num_expert_groups": 5, "num_expert_groups_per_tok": 6})
    assert (found["architectures"], found["model_type"]) == (["MistralLarge3ForCausalLM"], "deepseek_v3")
    named = (
        "n_routed_experts",
        "num_experts_per_tok",
        "moe_layer_freq",
        "first_k_dense_replace",
        "moe_intermediate_size",
    )
    assert [found[name] for name in (*named, "n_shared_experts", "n_group", "topk_group")] == [8, 2, 1, 3, 4, 1, 5, 6]
    assert "num_local_experts" not in found


@pytest.mark.parametrize("shared", [{}, {"num_shared_experts": 0}])
def test_experts_without_one_are_mixtral(shared: dict[str, int]) -> None:
    found = fields(moe=EXPERTS | shared)
    assert (found["architectures"], found["model_type"]) == (["MixtralForCausalLM"], "mixtral")
    assert (found["num_local_experts"], found["num_experts_per_tok"]) == (8, 2)
    assert "n_routed_experts" not in found


@pytest.mark.parametrize(
    ("block", "read"),
    [
        ({"qformat_weight": "fp8_e4m3"}, {"quant_method": "fp8", "activation_scheme": "static"}),
        (
            {"qformat_weight": "fp8_e4m3", "qscheme_act": "NO_SCALES"},
            {"quant_method": "fp8", "activation_scheme": "dynamic"},
        ),
        (
            {"quant_method": "compressed_tensors", "a": 1},
            {"quant_method": "compressed-tensors", "a": 1},
        ),
    ],
)
def test_quantization_is_named_as_a_config_names_it(block: dict[str, Any], read: dict[str, Any]) -> None:
    assert fields(quantization=block)["quantization_config"] == read


@pytest.mark.parametrize("empty", [None, {}, ""])
def test_no_quantization_is_none(empty: Any) -> None:
    assert "quantization_config" not in fields(quantization=empty)


def test_an_unknown_quantization_is_shown_by_its_beginning() -> None:
    with pytest.raises(CheckpointError, match=f"unknown quantization '{'q' * 60}'$|unknown quantization '{'q' * 60}'"):
        fields(quantization="q" * 90)


@pytest.mark.parametrize("tower", ["vision_encoder", "multimodal", "audio_encoder"])
def test_towers_are_read_from_a_config_alone(tower: str) -> None:
    with pytest.raises(CheckpointError, match=f"has a {tower}"):
        fields(**{tower: {"a": 1}})
    assert tower not in fields(**{tower: None})
