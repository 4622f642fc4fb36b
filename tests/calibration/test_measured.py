"""Estimates beside what this project measured itself (`measured/README.md`), start by start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.models.estimate import Estimate
from vram.units import GIB

MEASURED = Path(__file__).parent / "measured"
STARTS = [json.loads(line) for line in (MEASURED / "starts.jsonl").read_text().splitlines()]
STATED = (
    "tensor_parallel_size", "pipeline_parallel_size", "dtype", "kv_cache_dtype", "max_model_len", "max_num_batched_tokens",
    "max_num_seqs", "gpu_memory_utilization", "vllm_version",
)  # fmt: skip


def asked(start: dict[str, Any], **more: Any) -> Estimate:
    return vram.estimate(
        MEASURED / "configs" / start["config"],
        gpu=start["gpu"],
        gpu_memory_gib=start["init_total_bytes"] / GIB,
        environment={"VLLM_USE_FLASHINFER_SAMPLER": str(int(start["flashinfer_sampler"]))},
        **{name: start[name] for name in STATED},
        **more,
    )


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start["id"])
def test_the_pool_is_within_a_tenth_of_a_gib_and_inside_its_interval(start: dict[str, Any]) -> None:
    memory = asked(start).memory
    pool, had = memory.kv_cache_available, start["available_kv_bytes"]
    assert pool.low <= had <= pool.high
    assert abs(pool.expected - had) < 0.1 * GIB


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start["id"])
def test_each_part_is_what_was_printed(start: dict[str, Any]) -> None:
    memory = asked(start).memory
    assert memory.weights.expected / GIB == pytest.approx(start["weights_gib"], abs=0.02)
    assert memory.activation_peak.expected / GIB == pytest.approx(start["activation_peak_gib"], abs=0.1)
    assert memory.non_torch.expected / GIB == pytest.approx(start["non_torch_gib"], abs=0.03)
    if "cuda_graph_bytes" in start:
        assert memory.cuda_graphs.low <= start["cuda_graph_bytes"] <= memory.cuda_graphs.high


@pytest.mark.parametrize("start", STARTS, ids=lambda start: start["id"])
def test_the_pool_that_was_had_holds_as_many_tokens(start: dict[str, Any]) -> None:
    cache = asked(start, kv_cache_memory_bytes=start["available_kv_bytes"]).kv_cache
    assert cache.tokens == start["kv_tokens"]
    assert cache.max_concurrency == pytest.approx(start["max_concurrency"], abs=0.005)
    if "num_blocks" in start:
        assert (cache.num_blocks, cache.block_size) == (start["num_blocks"], start["block_size"])
