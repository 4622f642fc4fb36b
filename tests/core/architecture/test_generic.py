"""Decoders no adapter knows."""

from __future__ import annotations

import pytest

from vram.architecture.generic import Generic
from vram.errors import ArchitectureError, ConfigError
from vram.estimate.weights.parameters import parameter_count
from vram.models.adapter import BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
from vram.models.parameters import Experts
from vram.models.spec import ModelSpec

PLAIN: dict[str, object] = {
    "architectures": ["NovelForCausalLM"],
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 128,
    "vocab_size": 1000,
    "max_position_embeddings": 512,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}


def build(**changes: object) -> ModelSpec:
    return Generic().build(ModelConfig(raw={**PLAIN, **changes}), BuildContext())


def test_dimensions_are_counted_as_a_plain_decoders_with_every_bias_and_norm() -> None:
    # per layer q and o 2*64*64, k and v 2*32*64, gate, up and down 3*128*64; biases of q, k, v 128, o 64, gate and up 256,
    # down 64; four norms with biases 8*64, norms of q and k over all heads (4 + 2)*16, a sink for each head
    layer = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64 + (128 + 64 + 256 + 64) + 8 * 64 + 6 * 16 + 4

    # the embedding 1000*64, its norm and the last with biases
    assert parameter_count(build(rms_norm_eps=1e-6)) == 1000 * 64 + 2 * layer + 2 * 2 * 64


def test_biases_that_the_config_denies_are_not_counted() -> None:
    spec = build(attention_bias=False, mlp_bias=False)

    assert parameter_count(build()) - parameter_count(spec) == 2 * (128 + 64 + 256 + 64)


def test_positions_are_taken_for_learned_where_nothing_says_that_they_rotate() -> None:
    assert parameter_count(build()) - parameter_count(build(rope_theta=10000.0)) == (512 + 2) * 64


def test_it_says_that_everything_is_assumed() -> None:
    spec = build()

    assert spec.provenance == "assumed"
    assert any("NovelForCausalLM" in sentence for sentence in spec.assumptions)


def test_experts_are_counted_with_a_router_and_shared_ones() -> None:
    spec = build(num_experts=8, num_experts_per_tok=2, moe_intermediate_size=32, n_shared_experts=1)

    # instead of 3*128*64 and 320 biases: 8 experts of 3*32*64 with 2*32+64 biases, a shared one alike, the router 8*64 with
    # 8 biases, one correction bias per expert
    dense = parameter_count(build())
    assert parameter_count(spec) - dense == 2 * (9 * (3 * 32 * 64 + 128) + 8 * 64 + 8 + 8 - 3 * 128 * 64 - 320)


def test_a_config_silent_about_tying_is_counted_with_an_lm_head() -> None:
    raw = {name: value for name, value in PLAIN.items() if name != "tie_word_embeddings"}

    spec = Generic().build(ModelConfig(raw=raw), BuildContext())

    assert parameter_count(spec) == parameter_count(build()) + 1000 * 64 + 1000


def test_a_bare_window_does_not_make_the_cache_smaller() -> None:
    cache = build(sliding_window=16).runs[0].layer.caches[0]

    # a window that never slides needs every token and, as any window, a block more
    assert isinstance(cache, AttentionCache)
    assert cache.window is not None
    assert cache.window > 10**9


@pytest.mark.parametrize(
    "field",
    [
        {"kv_lora_rank": 512},
        {"mamba_d_state": 16},
        {"linear_num_key_heads": 4},
        {"ssm_cfg": {"d_state": 1}},
        {"add_cross_attention": True},
        {"is_encoder_decoder": True},
        {"vision_config": {"hidden_size": 1}},
        {"layers_block_type": ["mamba", "attention"]},
        {"layer_types": ["linear_attention", "full_attention"]},
        {"loop_num": 2},
        {"num_moe_experts": 64},
        {"swa_head_dim": 256},
        {"global_num_key_value_heads": 32},
        {"embedding_size": 256},
        {"vocab_size_per_layer_input": 262144},
        {"mlp_expansion_factor": 8.0},
        {"attention_output_gate": True},
        {"mixer_types": ["conv", "attention"]},
        {"attn_type": "linear"},
        {"hybrid_override_pattern": "M-M*-"},
        {"block_pattern": "rra"},
        {"use_memory_layers": True},
        {"memory": {"slots": 4096}},
        {"type_vocab_size": 2},
        {"is_decoder": False},
        {"is_causal": False},
        {"position_embedding_type": "absolute"},
    ],
    ids=lambda field: next(iter(field)),
)
def test_what_standard_fields_do_not_explain_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(ArchitectureError, match="NovelForCausalLM"):
        build(**field)


@pytest.mark.parametrize(
    "name", ["NovelModel", "NovelForSequenceClassification", "NovelForRanking", "NovelForMaskedLM"]
)
def test_what_does_not_generate_is_refused_for_its_head(name: str) -> None:
    with pytest.raises(ArchitectureError, match=name):
        build(architectures=[name])


def test_of_two_names_for_one_size_the_larger_counts() -> None:
    assert parameter_count(build(padded_vocab_size=1024)) - parameter_count(build()) == 24 * 64
    assert build(num_layers=3).num_layers == 3


def test_every_second_layer_has_experts_whichever_is_the_first_of_them() -> None:
    spec = build(num_hidden_layers=5, num_experts=8, moe_layer_freq=2)

    assert sum(len(run.indices) for run in spec.runs if any(isinstance(m, Experts) for m in run.layer.modules)) == 3


def test_without_a_width_the_feed_forward_network_is_not_guessed() -> None:
    with pytest.raises(ConfigError, match="intermediate_size"):
        build(intermediate_size=None)

    assert parameter_count(build(intermediate_size=None, n_inner=None)) > parameter_count(build())


def test_a_field_that_says_no_refuses_nothing() -> None:
    assert build(add_cross_attention=False, kv_lora_rank=None).num_layers == 2


def test_words_tokens_and_scales_refuse_nothing() -> None:
    plain = {"attn_type": "full", "sliding_window_pattern": "LLLG", "eos_token_id": [5, 6], "hidden_act": "silu"}

    assert build(**plain, rope_theta=500000, attention_multiplier=2.5, n_group=8, use_cache=True).num_layers == 2


def test_a_missing_dimension_is_named() -> None:
    with pytest.raises(ConfigError, match="num_attention_heads"):
        build(num_attention_heads=None)
