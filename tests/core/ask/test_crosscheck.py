"""A warning where files and description disagree, and none where only a dtype is not stated."""

from __future__ import annotations

from typing import Any

import pytest

from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.checkpoint.catalog import find, list_catalog
from vram.errors import VramError
from vram.models.checkpoint import Checkpoint
from vram.models.config import ModelConfig

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32,
    "num_key_value_heads": 8, "intermediate_size": 14336, "vocab_size": 128256, "max_position_embeddings": 8192,
}  # fmt: skip
#: Llama 3.1 8B: 8,030,261,248 parameters
PARAMETERS = 8_030_261_248


def warnings(stored_bytes: int, **config: Any) -> list[str]:
    checkpoint = Checkpoint(
        id="x", source="local", config=ModelConfig(raw={**LLAMA, **config}), stored_bytes=stored_bytes
    )
    return [text for text in answer(ask(checkpoint, gpu="H100")).verdict.warnings if "files hold" in text]


@pytest.mark.parametrize("width", [2, 4])
def test_a_config_that_states_no_dtype_may_store_either_width(width: int) -> None:
    assert not warnings(width * PARAMETERS)


def test_a_stated_dtype_is_held_against_the_files() -> None:
    assert not warnings(2 * PARAMETERS, dtype="bfloat16")
    assert warnings(4 * PARAMETERS, dtype="bfloat16")
    assert not warnings(4 * PARAMETERS, torch_dtype="float32")


def test_files_of_no_width_in_use_are_told() -> None:
    (told,) = warnings(3 * PARAMETERS)
    assert "24,090,783,744 bytes" in told


@pytest.mark.parametrize("model", sorted(entry.id for entry in list_catalog()))
def test_no_model_of_the_catalog_is_said_to_hold_other_bytes_than_described(model: str) -> None:
    checkpoint = find(model)
    assert checkpoint is not None
    try:
        estimate = answer(ask(checkpoint, gpu="B200"))
    except VramError:
        pytest.skip("refused for another reason")
    assert not [text for text in estimate.verdict.warnings if "files hold" in text]
