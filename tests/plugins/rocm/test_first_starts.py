"""First starts on a Radeon: logs of Llama 3.1 8B on R9700, vLLM 0.11.2.dev690, printed 12.73 GiB, and 15.33 three days later."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import vram
from vram.units import GIB

ASKED = {"vllm_version": "0.11.2", "max_model_len": 65536, "gpu_memory_utilization": 0.98, "max_num_seqs": 64}


def test_the_pool_of_a_first_start_and_of_a_later_one_lie_in_the_interval(model_folder: Callable[..., Path]) -> None:
    found = vram.estimate(
        model_folder(max_position_embeddings=131072), gpu="R9700", max_num_batched_tokens=2048, **ASKED
    )
    pool = found.memory.kv_cache_available
    assert abs(pool.expected - 15.33 * GIB) < 0.2 * GIB
    assert pool.low < 12.73 * GIB < 15.33 * GIB < pool.high


def test_other_gpus_start_alike_each_time(model_folder: Callable[..., Path]) -> None:
    for gpu in ("MI300X", "A100"):
        pool = vram.estimate(
            model_folder(), gpu=gpu, vllm_version="0.11.2", max_model_len=8192
        ).memory.kv_cache_available
        assert pool.expected - pool.low < 2 * (pool.high - pool.expected) + GIB
