"""The formulas of an answer with their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

import vram


def test_blocks_are_what_the_smallest_pool_holds(model_folder: Callable[..., Path]) -> None:
    # 3 layers over 2 pipeline ranks: the ranks' weights differ, and with them what is left for the cache
    answer = vram.estimate(model_folder(num_hidden_layers=3), gpu="H100", pipeline_parallel_size=2, max_model_len=4096)
    (line,) = (line for line in answer.explanation if line.startswith("blocks = "))
    pool, block, blocks = (int(part.replace(",", "")) for part in line.split(" = ")[2:] for part in part.split(" ÷ "))
    assert blocks == pool // block == answer.kv_cache.num_blocks
    assert pool == answer.memory.kv_cache_available.expected


def test_a_model_without_cache_has_no_blocks_to_explain() -> None:
    answer = vram.estimate("BAAI/bge-m3", gpu="H100")
    assert not any(line.startswith("blocks = ") for line in answer.explanation)
    assert answer.explanation[0].startswith("budget = ")


@pytest.mark.parametrize(
    "arguments",
    [
        {"model": "Qwen/Qwen3-8B", "gpu": "H100"},
        {"model": "deepseek-ai/DeepSeek-V3", "gpu": "H200", "tensor_parallel_size": 8, "pipeline_parallel_size": 2},
        {"model": "Qwen/Qwen3-8B", "gpu": "H100", "enable_lora": True, "cpu_offload_gb": 2},
    ],
    ids=["dense", "experts on two stages", "LoRA and offloading"],
)
def test_the_weights_are_shown_as_a_sum(arguments: dict[str, object]) -> None:
    lines = vram.estimate(**arguments).explanation
    total = next(line for line in lines if line.startswith("weights of the most loaded rank"))
    parts = [line for line in lines if line.startswith("  of it ")]
    assert sum(_bytes_of(part) for part in parts) == _bytes_of(total)
    assert len(parts) > 3


def _bytes_of(line: str) -> int:
    return int(re.search(r"= (-?[\d,]+) bytes", line)[1].replace(",", ""))
