"""`--disable-sliding-window`; the lengths are those that vLLM 0.33.0's GPU wheel printed for Mistral 7B v0.1 (window 4096)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import vram

MISTRAL = {
    "architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 4096, "intermediate_size": 14336,
    "num_hidden_layers": 4, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000,
    "max_position_embeddings": 32768, "sliding_window": 4096, "torch_dtype": "bfloat16", "tie_word_embeddings": False,
}  # fmt: skip


@pytest.fixture
def mistral(tmp_path: Path) -> str:
    (tmp_path / "config.json").write_text(json.dumps(MISTRAL))
    return str(tmp_path)


def test_layers_keep_every_token_of_a_context_no_longer_than_the_window(mistral: str) -> None:
    found = vram.estimate(mistral, gpu="H100", kv_cache_memory_bytes=8 * 2**30, vllm_version="0.33.0",
                          disable_sliding_window=True)  # fmt: skip

    assert found.deployment.max_model_len == 4096
    assert (found.kv_cache.num_blocks, found.kv_cache.tokens) == (32768, 524288)
    assert [group.kind for group in found.kv_cache.groups] == ["full_attention"]


def test_a_longer_context_is_refused(mistral: str) -> None:
    found = vram.estimate(mistral, gpu="H100", max_model_len=8192, disable_sliding_window=True)

    assert [check.name for check in found.verdict.checks if not check.passed] == ["max_model_len"]
    assert vram.estimate(mistral, gpu="H100", max_model_len=8192).verdict.starts


def test_a_model_without_windows_is_as_before(mistral: str, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "config.json").write_text(json.dumps({**MISTRAL, "sliding_window": None}))

    same = [vram.estimate(str(plain), gpu="H100", disable_sliding_window=given).kv_cache for given in (True, False)]
    assert same[0] == same[1]
