"""The formulas of an answer with their values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
