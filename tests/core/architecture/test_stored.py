"""What the headers say of the LM head: vLLM looks for it too, where a nested config is silent about ties."""

from __future__ import annotations

from typing import Any

import pytest

from vram.architecture.stored import told_of_its_head
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
