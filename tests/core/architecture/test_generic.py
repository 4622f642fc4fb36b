"""Decoders no adapter knows."""

from __future__ import annotations

import pytest

from vram.architecture.generic import Generic
from vram.errors import ArchitectureError, ConfigError
from vram.estimate.weights.parameters import parameter_count
from vram.models.adapter import BuildContext
from vram.models.cache import AttentionCache
from vram.models.config import ModelConfig
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


def test_dimensions_are_counted_as_a_plain_decoders() -> None:
    # embedding 1000*64; per layer q and o 2*64*64, k and v 2*32*64, gate, up and down 3*128*64, norms 2*64; last norm 64
    layer = 2 * 64 * 64 + 2 * 32 * 64 + 3 * 128 * 64 + 2 * 64

    assert parameter_count(build()) == 1000 * 64 + 2 * layer + 64


def test_it_says_that_everything_is_assumed() -> None:
    spec = build()

    assert spec.provenance == "assumed"
    assert any("NovelForCausalLM" in sentence for sentence in spec.assumptions)


def test_experts_are_counted_with_a_router_and_shared_ones() -> None:
    spec = build(num_experts=8, num_experts_per_tok=2, moe_intermediate_size=32, n_shared_experts=1)

    # instead of 3*128*64: 8 experts and a shared one of 3*32*64, the router 8*64, one correction bias per expert
    dense = parameter_count(build())
    assert parameter_count(spec) - dense == 2 * (9 * 3 * 32 * 64 + 8 * 64 + 8 - 3 * 128 * 64)


def test_a_config_silent_about_tying_is_counted_with_an_lm_head() -> None:
    raw = {name: value for name, value in PLAIN.items() if name != "tie_word_embeddings"}

    spec = Generic().build(ModelConfig(raw=raw), BuildContext())

    assert parameter_count(spec) == parameter_count(build()) + 1000 * 64


def test_a_bare_window_does_not_make_the_cache_smaller() -> None:
    cache = build(sliding_window=16).runs[0].layer.caches[0]

    assert isinstance(cache, AttentionCache)
    assert (cache.kind, cache.window) == ("full_attention", None)


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
    ],
    ids=lambda field: next(iter(field)),
)
def test_what_standard_fields_do_not_explain_is_refused(field: dict[str, object]) -> None:
    with pytest.raises(ArchitectureError, match="NovelForCausalLM"):
        build(**field)


def test_a_field_that_says_no_refuses_nothing() -> None:
    assert build(add_cross_attention=False, kv_lora_rank=None).num_layers == 2


def test_a_missing_dimension_is_named() -> None:
    with pytest.raises(ConfigError, match="num_attention_heads"):
        build(num_attention_heads=None)
