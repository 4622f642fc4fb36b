"""Rotary tables and derived lengths, as the classes of `rotary_embedding/` build them (vLLM 0.32)."""

from __future__ import annotations

from typing import Any

import pytest

from vram.models.config import ModelConfig
from vram.vllm.rope import (
    ANY_LENGTH,
    Rope,
    default_max_model_len,
    derived_max_model_len,
    read_ropes,
    rope_table,
    table_positions,
)


def config(**fields: Any) -> ModelConfig:
    return ModelConfig(raw=fields)


def rope(**changes: Any) -> Rope:
    return Rope(
        **{"kind": "default", "factor": 1.0, "original_max_position": None, "partial": 1.0, "mrope": False, **changes}
    )


def test_a_config_without_a_word_on_ropes_has_none() -> None:
    assert read_ropes(config(hidden_size=64)) == ()


def test_a_bare_theta_is_a_default_rope() -> None:
    assert read_ropes(config(rope_theta=5e5)) == (rope(theta=5e5),)
    assert read_ropes(config(rotary_pct=0.25)) == (rope(partial=0.25),)
    # what a config says about scaling outside a block is no scaling: its factor and its dimension are not the rope's
    bare = config(rope_theta=1e4, factor=3.0, rope_dim=16, mrope_positions_factor=2, original_max_position_embeddings=7)
    assert read_ropes(bare) == (rope(original_max_position=7),)


def test_a_block_says_type_factor_and_original_length() -> None:
    block = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768, "rope_theta": 1e6}
    for name in ("rope_scaling", "rope_parameters"):
        expected = rope(kind="yarn", factor=4.0, original_max_position=32768, theta=1e6)
        assert read_ropes(config(**{name: block})) == (expected,)
    # rope_parameters is read before rope_scaling, the older name
    both = config(rope_scaling={"rope_type": "linear", "factor": 2.0}, rope_parameters=block)
    assert [one.kind for one in read_ropes(both)] == ["yarn"]


def test_a_block_falls_back_to_the_config_around_it() -> None:
    around = config(
        rope_theta=7e4, partial_rotary_factor=0.5, original_max_position_embeddings=99, rope_scaling={"type": "linear"}
    )
    assert read_ropes(around) == (rope(kind="linear", partial=0.5, original_max_position=99, theta=7e4),)
    inside = config(
        original_max_position_embeddings=99, rope_scaling={"type": "linear", "original_max_position_embeddings": 5}
    )
    assert [one.original_max_position for one in read_ropes(inside)] == [5]
    # a length of 0 says nothing
    zeros = config(
        original_max_position_embeddings=0, rope_scaling={"type": "yarn", "original_max_position_embeddings": 0}
    )
    assert [one.original_max_position for one in read_ropes(zeros)] == [None]


def test_one_block_per_layer_type_makes_one_rope_each() -> None:
    nested = config(
        rope_parameters={
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            "empty": {},
        }
    )
    assert read_ropes(nested) == (rope(kind="linear", factor=8.0, theta=1e6), rope())
    # a block with a type is one block, whatever else it holds; and an empty one is a default rope
    assert read_ropes(config(rope_scaling={"type": "linear", "factor": 2.0})) == (rope(kind="linear", factor=2.0),)
    assert read_ropes(config(rope_scaling={"factor": 2.0})) == (rope(factor=2.0),)
    assert read_ropes(config(rope_scaling={})) == (rope(),)


def test_the_names_and_numbers_of_multimodal_ropes() -> None:
    # Qwen2-VL calls the type "mrope"; Qwen3-VL keeps "default" and has sections; 4 is mrope.py's factor of positions
    assert read_ropes(config(rope_scaling={"type": "mrope"})) == (rope(mrope=True, positions_factor=4),)
    sections = {"rope_type": "yarn", "mrope_section": [24, 20, 20], "mrope_positions_factor": 1, "rope_dim": 32}
    assert read_ropes(config(rope_scaling=sections)) == (rope(kind="yarn", mrope=True, positions_factor=1, dim=32),)
    assert read_ropes(config(rope_theta=1e4, mrope_section=[1])) == (rope(mrope=True),)
    assert [one.dim for one in read_ropes(config(rope_scaling={"type": "linear", "rope_dim": 0}))] == [None]
    assert [one.positions_factor for one in read_ropes(config(rope_scaling={"type": "linear"}))] == [4]


def test_su_is_the_former_name_of_longrope() -> None:
    assert [one.kind for one in read_ropes(config(rope_scaling={"type": "su"}))] == ["longrope"]


@pytest.mark.parametrize(
    ("changes", "positions"),
    [
        ({}, 1000),
        ({"kind": "llama3", "factor": 8.0, "original_max_position": 250}, 1000),
        ({"kind": "dynamic", "factor": 2.0}, 1000),
        ({"kind": "linear", "factor": 2.5}, 2500),
        ({"kind": "yarn", "factor": 4.0, "original_max_position": 250}, 1000),
        ({"kind": "yarn", "factor": 4.0}, 4000),  # no original length: the config's own
        ({"kind": "deepseek_yarn", "factor": 40.0, "original_max_position": 4096}, 163840),
        ({"kind": "deepseek_llama_scaling", "factor": 3.0, "original_max_position": 100}, 300),
        ({"kind": "longrope", "original_max_position": 250}, 1250),  # a short and a long table
        ({"mrope": True}, 4000),
        ({"mrope": True, "positions_factor": 1}, 1000),
        ({"kind": "yarn", "mrope": True, "factor": 2.0, "original_max_position": 300}, 1200),
    ],
)
def test_rows_of_the_table(changes: dict[str, Any], positions: int) -> None:
    assert table_positions(rope(**changes), 1000) == positions


def test_columns_of_the_table_are_the_rotated_features() -> None:
    def shape(one: Rope | None, head_dim: int = 128) -> tuple[int, ...]:
        return rope_table(one, head_dim=head_dim, max_position=1000).shape

    assert shape(None) == shape(rope()) == (1000, 128)
    assert shape(rope(partial=0.25)) == (1000, 32)
    assert shape(rope(dim=48, partial=0.25)) == (1000, 48)
    # where a config has no block, its table is the one that layers with a plain block have
    assert rope_table(None, head_dim=64, max_position=9) == rope_table(rope(), head_dim=64, max_position=9)
    # 0.3 × 70 = 21 features are 10 pairs and a half: one angle for the started pair, a cosine and a sine each
    assert shape(rope(partial=0.3), 70) == (1000, 22)


def test_tables_of_deepseek_are_fp32() -> None:
    def dtype(kind: str, asked: str | None = "bfloat16") -> str | None:
        return rope_table(rope(kind=kind), head_dim=64, max_position=10, dtype=asked).dtype

    assert dtype("deepseek_yarn") == dtype("deepseek_llama_scaling") == "float32"
    assert dtype("yarn") == dtype("default") == "bfloat16"
    assert dtype("default", None) is None


@pytest.mark.parametrize(
    ("fields", "length"),
    [
        ({"max_position_embeddings": 4096}, 4096),
        ({"max_position_embeddings": 4096, "seq_length": 1024}, 1024),  # the smallest counts
        ({"n_positions": 1024, "max_seq_len": 2048}, 1024),
        ({"max_position_embeddings": 4096, "model_max_length": 9000}, 9000),  # but this one overrides
        ({"max_position_embeddings": 4096, "seq_len": 512, "model_max_length": 600}, 600),
        ({}, ANY_LENGTH),  # the user may ask for any where a config is silent
        ({"max_position_embeddings": 1000, "rope_scaling": {"type": "linear", "factor": 2.5}}, 2500),
        ({"max_position_embeddings": 1000, "rope_scaling": {"type": "dynamic", "factor": 4.0}}, 4000),
        ({"max_position_embeddings": 1000, "rope_scaling": {"type": "yarn", "factor": 4.0}}, 1000),
        ({"max_position_embeddings": 1000, "rope_scaling": {"type": "llama3", "factor": 8.0}}, 1000),
        ({"max_position_embeddings": 1000, "rope_scaling": {"type": "su", "factor": 8.0}}, 1000),
        ({"max_position_embeddings": 1000, "rope_theta": 1e4}, 1000),
        # Gemma 3's max_position_embeddings is scaled already
        ({"model_type": "gemma3_text", "max_position_embeddings": 1000,
          "rope_scaling": {"type": "linear", "factor": 8.0}}, 1000),
    ],
)  # fmt: skip
def test_the_derived_length(fields: dict[str, Any], length: int) -> None:
    assert derived_max_model_len(config(**fields)) == length


def test_where_a_config_is_silent_vllm_takes_2048_and_the_user_any_length() -> None:
    silent = config()
    assert default_max_model_len(silent, derived_max_model_len(silent)) == 2048


@pytest.mark.parametrize(
    ("version", "kind", "length"),
    [
        ((0, 29, 0), "yarn", 131072),  # original × factor, whatever max_position_embeddings says (PR #56446)
        ((0, 30, 0), "yarn", 40960),
        ((0, 29, 0), "llama3", 40960),
        ((0, 29, 0), "linear", 163840),
        ((0, 33, 0), "linear", 163840),
    ],
)
def test_yarns_length_changed_with_0_30(version: tuple[int, int, int], kind: str, length: int) -> None:
    scaled = {"rope_type": kind, "factor": 4.0, "original_max_position_embeddings": 32768}
    found = config(max_position_embeddings=40960, rope_scaling=scaled)

    assert derived_max_model_len(found, version=version) == length


def test_a_layer_type_may_have_no_rotary_positions() -> None:
    blocks = {"full_attention": None, "sliding_attention": {"rope_type": "default", "rope_theta": 1e6}}

    assert [rope.theta for rope in read_ropes(config(rope_parameters=blocks))] == [1e6]


def test_transformers_default_counts_only_where_the_config_is_silent() -> None:
    assert derived_max_model_len(config(), default_length=512) == 512
    assert derived_max_model_len(config(seq_length=300), default_length=512) == 300
    assert derived_max_model_len(config(max_position_embeddings=4096), default_length=512) == 4096


def test_longrope_starts_at_its_original_length_unless_asked() -> None:
    scaled = config(original_max_position_embeddings=4096, rope_scaling={"type": "longrope", "factor": 32.0})
    assert default_max_model_len(scaled, 131072) == 4096
    assert default_max_model_len(scaled, 131072, version=(0, 11, 0)) == 131072
    assert default_max_model_len(config(rope_scaling={"type": "longrope"}), 131072) == 131072
    other = config(original_max_position_embeddings=4096, rope_scaling={"type": "yarn", "factor": 32.0})
    assert default_max_model_len(other, 131072) == 131072
