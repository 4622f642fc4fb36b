"""A real vLLM, where VRAM_ASK_VLLM_PYTHON names an interpreter that has one: `docs/how-to/ask-your-vllm.md` says how to make it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import vram

PYTHON = os.environ.get("VRAM_ASK_VLLM_PYTHON", "")
pytestmark = pytest.mark.skipif(not PYTHON, reason="VRAM_ASK_VLLM_PYTHON names no interpreter with vLLM")
GIB = 2**30
CONFIGS: dict[str, dict[str, Any]] = {
    "dense": {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16", "hidden_size": 1024,
        "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072,
        "vocab_size": 151936, "max_position_embeddings": 40960, "tie_word_embeddings": True,
    },
    "windows": {
        "architectures": ["Gemma2ForCausalLM"], "model_type": "gemma2", "torch_dtype": "bfloat16", "hidden_size": 2304,
        "num_hidden_layers": 26, "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 9216,
        "vocab_size": 256000, "max_position_embeddings": 8192, "sliding_window": 4096, "hidden_activation": "gelu_pytorch_tanh",
        "hidden_act": "gelu_pytorch_tanh",
        "query_pre_attn_scalar": 256,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("tp", [1, 2])
def test_both_say_the_same_of_a_model_that_is_known(name: str, tp: int, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[name]))
    arguments = {"gpu": "H100", "tensor_parallel_size": tp, "kv_cache_memory_bytes": 20 * GIB}
    asked = vram.estimate(tmp_path, ask_vllm=PYTHON, **arguments)
    alone = vram.estimate(tmp_path, vllm_version=asked.deployment.vllm_version, **arguments)
    # four fp32 scales per attention layer, which releases up to 0.11 do not register
    scales = 16 * CONFIGS[name]["num_hidden_layers"]
    assert alone.ranks[0].parameter_bytes - asked.ranks[0].parameter_bytes in {0, scales}
    assert asked.kv_cache == alone.kv_cache
    assert asked.deployment == alone.deployment


def test_an_architecture_that_no_adapter_knows_is_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vram.plugin.manager import plugins

    known = vram.estimate(_written(tmp_path), gpu="H100", ask_vllm=PYTHON)
    monkeypatch.setattr(plugins(), "adapters", {})
    asked = vram.estimate(_written(tmp_path), gpu="H100", ask_vllm=PYTHON)
    assert asked.ranks[0].parameter_bytes == known.ranks[0].parameter_bytes
    assert asked.kv_cache.bytes_per_token == known.kv_cache.bytes_per_token
    assert any("No adapter knows" in warning for warning in asked.verdict.warnings)


def _written(folder: Path) -> Path:
    (folder / "config.json").write_text(json.dumps(CONFIGS["dense"]))
    return folder
