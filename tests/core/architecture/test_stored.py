"""What the headers say of the LM head: vLLM looks for it too, where a nested config is silent about ties."""

from __future__ import annotations

from typing import Any

import pytest

from vram.architecture.generic import Generic
from vram.architecture.stored import told_of_its_head, with_stored_weights
from vram.estimate.weights.ranks import Parallelism, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.adapter import BuildContext
from vram.models.checkpoint import HeaderTensor, Inventory
from vram.models.config import ModelConfig


def inventory(*names: str) -> Inventory:
    tensors = tuple(HeaderTensor(name=name, dtype="BF16", shape=(8, 4), nbytes=64) for name in names)
    return Inventory(tensors=tensors, total_bytes=64 * len(names), files=1)


HEAD = inventory("language_model.model.embed_tokens.weight", "language_model.lm_head.weight")


@pytest.mark.parametrize(
    ("config", "stored", "expected"),
    [
        ({"text_config": {"vocab_size": 8}}, HEAD, False),
        ({"text_config": {"vocab_size": 8}}, inventory("lm_head.weight_packed"), False),
        ({"text_config": {"vocab_size": 8}}, inventory("model.embed_tokens.weight"), None),
        ({"text_config": {"vocab_size": 8}}, inventory("model.my_lm_head.weight"), None),
        ({"text_config": {"vocab_size": 8}}, None, None),
        ({"text_config": {}, "tie_word_embeddings": True}, HEAD, True),  # said in words: the head is a copy
        ({"text_config": {"tie_word_embeddings": True}}, HEAD, None),
        ({"vocab_size": 8}, HEAD, None),  # classes of text alone are not what the outer classes hide
    ],
)
def test_a_stored_head_unties_a_silent_nested_config(
    config: dict[str, Any], stored: Inventory | None, expected: bool | None
) -> None:
    assert told_of_its_head(ModelConfig(raw=config), stored).get("tie_word_embeddings") is expected


def test_over_ranks_heads_of_keys_are_repeated_vocabularies_padded_and_routers_whole() -> None:
    raw = {
        "architectures": ["NovelForCausalLM"],
        "hidden_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "intermediate_size": 128,
        "vocab_size": 100,
        "rms_norm_eps": 1e-6,
        "max_position_embeddings": 16,
    }
    shapes = {
        "model.embed_tokens.weight": (100, 64),
        "model.layers.0.self_attn.q_proj.weight": (64, 64),
        "model.layers.0.self_attn.k_proj.weight": (16, 64),
        "model.layers.0.mlp.router.weight": (4, 64),
    }
    tensors = tuple(HeaderTensor(name=name, dtype="bfloat16", shape=shape, nbytes=1) for name, shape in shapes.items())
    stored = Inventory(tensors=tensors, total_bytes=4, files=1)

    spec = with_stored_weights(Generic().build(ModelConfig(raw=raw), BuildContext()), stored)
    rank = rank_weights(resolve(spec, None), Parallelism.of(tp=4, pp=1, dp=1, expert_parallel=False), "bfloat16")[0]

    # 128 rows of 100 in four parts; a quarter of q, half of k (one of two heads), the whole router; 16 positions of a table
    assert rank.parameter_bytes == 2 * (32 * 64 + 16 * 64 + 8 * 64 + 4 * 64 + 16 * 8)
