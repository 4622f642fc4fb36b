"""Memory that other processes hold: how each release of vLLM treats it.

Read in `v1/worker/gpu_worker.py`, `v1/worker/utils.py` and `worker/worker.py` of every release from 0.6.6 to 0.33.0.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

import vram
from vram.errors import InputError
from vram.models.estimate import Estimate
from vram.units import GIB

MODEL = "TinyLlama/TinyLlama-1.1B-Chat-v1.0"


def asked(**more: Any) -> Estimate:
    return vram.estimate(**{"model": "Qwen/Qwen3-8B", "gpu": "L40S", "max_model_len": 8192, **more})


def failed(answer: Estimate) -> list[str]:
    return [check.name for check in answer.verdict.checks if not check.passed]


def test_the_refusal_is_in_vllms_words() -> None:
    """A public log of 0.9.2 (kvcached issue 29); 0.5 GiB are CUDA's own, so that 19.33 are somebody else's."""
    answer = asked(gpu_memory_gib=79.153, gpu="A100", used_gib=79.153 - 59.32 - 0.5, vllm_version="0.9.2")
    assert failed(answer) == ["free_memory"]
    message = next(check.message for check in answer.verdict.checks if check.name == "free_memory")
    assert message == (
        "Free memory on device (59.32/79.15 GiB) on startup is less than desired GPU memory utilization (0.9, 71.24 GiB)"
    )


@pytest.mark.parametrize("version", ["0.9.1", "0.14.0", "0.33.0"])
def test_since_0_9_1_others_decide_the_start_and_take_nothing_from_the_pool(version: str) -> None:
    refused, starts = (asked(used_gib=20, vllm_version=version, gpu_memory_utilization=share) for share in (0.92, 0.5))
    alone = asked(vllm_version=version, gpu_memory_utilization=0.5)
    assert failed(refused) == ["free_memory"]
    assert failed(starts) == []
    assert starts.memory == alone.memory
    assert starts.kv_cache == alone.kv_cache


@pytest.mark.parametrize("version", ["0.8.5", "0.9.0"])
def test_v1_to_0_9_0_takes_others_out_of_its_own_budget(version: str) -> None:
    beside, alone = asked(used_gib=20, vllm_version=version), asked(vllm_version=version)
    assert "free_memory" not in {check.name for check in beside.verdict.checks}
    taken = alone.memory.kv_cache_available.expected - beside.memory.kv_cache_available.expected
    assert taken == 20 * GIB
    assert beside.memory.non_torch.expected - alone.memory.non_torch.expected == 20 * GIB


@pytest.mark.parametrize(
    ("first", "second", "starts"),
    [(0.2, 0.2, False), (0.2, 0.3, True), (0.3, 0.3, False)],
)
def test_two_models_on_one_l40s_as_an_issue_saw_them(first: float, second: float, starts: bool) -> None:
    """vllm issue 14376: the second of two equal instances found "No available memory for the cache blocks"."""
    held = 44.42 * first  # what the first one's budget comes to
    one: dict[str, Any] = {"model": MODEL, "max_model_len": 1024, "vllm_version": "0.8.5"}
    assert failed(asked(**one, gpu_memory_utilization=first)) == []
    answer = asked(**one, gpu_memory_utilization=second, used_gib=held)
    assert failed(answer) == ([] if starts else ["cache_blocks"])


def test_the_v0_engine_does_not_look_and_runs_out_of_memory() -> None:
    older = {"model": "Qwen/Qwen2.5-7B-Instruct", "vllm_version": "0.7.3"}  # which that release has
    answer = asked(used_gib=20, **older)
    assert failed(answer) == ["free_memory"]
    message = next(check.message for check in answer.verdict.checks if check.name == "free_memory")
    assert message.startswith("CUDA out of memory while the KV cache is allocated")
    assert answer.memory.kv_cache_available == asked(**older).memory.kv_cache_available


def test_weights_must_find_room_beside_others() -> None:
    answer = asked(model="Qwen/Qwen3-14B", used_gib=20, gpu_memory_utilization=0.5)
    assert "weights" in failed(answer)


def test_near_what_is_free_a_start_is_too_close_to_be_sure() -> None:
    """CUDA's own memory of a process is 3/8 to 3/4 GiB, so that of 44.42 - 20 GiB 23.67 to 24.05 are free."""
    certain = {
        share: asked(used_gib=20, gpu_memory_utilization=share / 44.42).verdict.certainty
        for share in (23.6, 23.7, 24.0, 24.1)
    }
    assert certain == {23.6: "likely", 23.7: "borderline", 24.0: "borderline", 24.1: "unlikely"}


def test_over_several_gpus_nccl_is_there_before_vllm_looks() -> None:
    alone, several = (
        asked(used_gib=20, gpu_memory_utilization=23.0 / 44.42, tensor_parallel_size=tp).verdict for tp in (1, 2)
    )
    assert (alone.starts, alone.certainty) == (True, "likely")
    assert (several.starts, several.certainty) == (True, "borderline")


def test_what_nobody_said_is_not_looked_at() -> None:
    assert "free_memory" not in {check.name for check in asked(gpu_memory_utilization=1.0).verdict.checks}
    assert failed(asked(gpu_memory_utilization=1.0, used_gib=0)) == ["free_memory"]


def test_changes_that_are_named_start_beside_others_too() -> None:
    question: dict[str, Any] = {"used_gib": 20, "max_model_len": 8192}
    answer = asked(**question)
    assert answer.verdict.changes
    for change in answer.verdict.changes:
        again = asked(**{**question, **change.arguments})
        assert again.verdict.starts, change.words
        assert again.verdict.fits, change.words


@pytest.mark.parametrize("used", [-1, 44.42, 1e9, float("nan")])
def test_no_more_can_be_held_than_there_is(used: float) -> None:
    with pytest.raises(InputError, match="must be from 0"):
        asked(used_gib=used)


def test_a_gpu_whose_memory_is_the_hosts_has_that_much_less() -> None:
    """GB10: 102.2 GiB are usually free; 40 of them taken, half of 121.6 GiB still start, three quarters do not."""
    asked_gb10 = {"gpu": "DGX Spark", "vllm_version": "0.24.0", "used_gib": 40}
    assert failed(asked(**asked_gb10, gpu_memory_utilization=0.5)) == []
    assert failed(asked(**asked_gb10, gpu_memory_utilization=0.75)) == ["free_memory"]


@pytest.mark.parametrize("version", ["0.33.0", "0.20.0", "0.12.0", "0.9.2", "0.9.0", "0.8.5", "0.7.3"])
@pytest.mark.parametrize(
    ("model", "gpu"), [("Qwen/Qwen3-8B", "L40S"), ("Qwen/Qwen2.5-VL-7B-Instruct", "H100"), ("BAAI/bge-m3", "L4")]
)
def test_more_that_is_held_never_helps(model: str, gpu: str, version: str) -> None:
    answers = [
        vram.estimate(
            model, gpu=gpu, used_gib=used, max_model_len=4096, gpu_memory_utilization=0.6, vllm_version=version
        )
        for used in (0, 2, 5, 8, 12, 16, 20)
    ]
    ranks = {"likely": 2, "borderline": 1, "unlikely": 0}
    for less, more in pairwise(answers):
        assert ranks[more.verdict.certainty] <= ranks[less.verdict.certainty]
        assert more.verdict.starts <= less.verdict.starts
        assert more.limits.max_context_at_concurrency <= less.limits.max_context_at_concurrency
        assert more.memory.kv_cache_available.expected <= less.memory.kv_cache_available.expected
