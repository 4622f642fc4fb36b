"""Inverse answers are tight: what they return fits, one step less does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import vram
from vram.errors import InputError, UnknownNameError, VramError
from vram.units import GIB, MIB

MODELS = (
    "Qwen/Qwen3-8B", "meta-llama/Llama-3.3-70B-Instruct", "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-V2-Lite",
    "google/gemma-3-12b-it", "Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-8B-AWQ", "Qwen/Qwen3-Next-80B-A3B-Instruct",
)  # fmt: skip
GPUS = ("H100", "RTX 4090", "L4", "A100 40GB", "B200", "V100 32GB", "RTX 5090")

jobs = st.fixed_dictionaries(
    {
        "model": st.sampled_from(MODELS),
        "gpu": st.sampled_from(GPUS),
        "max_model_len": st.sampled_from((1000, 4096, 20000, 32768)),
        "concurrency": st.integers(1, 64),
        "tensor_parallel_size": st.sampled_from((1, 2, 4)),
    }
)
few = settings(max_examples=40, deadline=None)


def fits(**asked: Any) -> bool:
    try:
        return vram.estimate(**asked).verdict.fits
    except VramError:
        return False


@few
@given(job=jobs)
def test_the_smallest_share_fits_and_one_hundredth_less_does_not(job: dict[str, Any]) -> None:
    share = vram.min_utilization(**job)
    if share is None:
        assert not fits(**job, gpu_memory_utilization=1.0)
        return
    assert fits(**job, gpu_memory_utilization=share)
    assert share == 0.01 or not fits(**job, gpu_memory_utilization=round(share - 0.01, 2))


@few
@given(job=jobs)
def test_the_smallest_memory_fits_and_one_mebibyte_less_does_not(job: dict[str, Any]) -> None:
    memory = vram.min_memory_bytes(**job)
    assert memory is None or memory % MIB == 0
    if memory is not None:
        assert fits(**job, gpu_memory_gib=memory / GIB)
        assert not fits(**job, gpu_memory_gib=(memory - MIB) / GIB)


@few
@given(job=jobs)
def test_the_fewest_gpus_fit_and_one_less_does_not_however_it_is_divided(job: dict[str, Any]) -> None:
    job.pop("tensor_parallel_size")
    count = vram.min_gpus(**job, at_most=16)
    if count is None:
        return
    assert any(fits(**job, tensor_parallel_size=tp, pipeline_parallel_size=count // tp) for tp in _divisors(count))
    less = count - 1
    assert not any(fits(**job, tensor_parallel_size=tp, pipeline_parallel_size=less // tp) for tp in _divisors(less))


@few
@given(job=jobs)
def test_the_most_users_fit_and_one_more_does_not(job: dict[str, Any]) -> None:
    most = vram.max_concurrency(**{**job, "concurrency": 1}) if _divides(job) else 0
    assume(most >= 1)
    job["concurrency"] = most
    assume(vram.estimate(**job).verdict.starts)
    assert fits(**job)
    assert not fits(**{**job, "concurrency": most + 1})


@few
@given(job=jobs, stages=st.sampled_from((1, 2, 3)))
def test_the_longest_context_fits_and_one_block_more_does_not(job: dict[str, Any], stages: int) -> None:
    job["pipeline_parallel_size"] = stages
    assume(_divides(job))
    answer = vram.estimate(**job)
    longest = answer.limits.max_context_at_concurrency
    assume(longest >= 1)
    assume(not _fails_otherwise(vram.estimate(**{**job, "max_model_len": longest})))
    assert fits(**{**job, "max_model_len": longest})
    if longest < answer.model.max_model_len:
        block = answer.kv_cache.block_size or 1
        assert not fits(**{**job, "max_model_len": longest + block})


def _divides(job: dict[str, Any]) -> bool:
    try:
        vram.estimate(**job)
    except VramError:
        return False
    return True


def _fails_otherwise(answer: vram.Estimate) -> bool:
    """Limits are about requests' memory; missing kernels, or more sequences than state blocks, stop any length."""
    other = ("quantization", "dtype", "kv_cache_dtype", "mamba_blocks")
    return any(not check.passed and check.name in other for check in answer.verdict.checks)


def _divisors(count: int) -> list[int]:
    return [tp for tp in range(1, count + 1) if count % tp == 0]


def test_what_cannot_fit_has_no_answer() -> None:
    huge = "deepseek-ai/DeepSeek-R1"
    assert vram.min_gpus(huge, gpu="RTX 3060", at_most=4) is None
    assert vram.min_utilization(huge, gpu="RTX 3060") is None


def test_memory_alone_needs_no_gpu() -> None:
    memory = vram.min_memory_bytes("Qwen/Qwen3-8B", max_model_len=4096)
    # 15.3 GiB of weights, 0.56 GiB of cache, 1 GiB of headroom, 1 GiB of overhead: 17.9 GiB of 0.92 of the memory
    assert memory is not None
    assert 19 * GIB < memory < 20.5 * GIB


def test_more_memory_than_where_defaults_jump_is_not_asked_for_where_less_does() -> None:
    # at 70 GiB vLLM's batches grow fourfold and with them the activation peak: the search looks below first
    job = {
        "model": "Qwen/Qwen3-32B",
        "gpu": "H100",
        "max_model_len": 2048,
        "vllm_version": "0.26.0",
        "gpu_memory_utilization": 0.95,
    }
    memory = vram.min_memory_bytes(**job)
    assert memory is not None
    assert memory <= 70 * GIB
    assert fits(**job, gpu_memory_gib=memory / GIB)


BAD: dict[str, tuple[Any, dict[str, Any], type[VramError]]] = {
    "an unknown GPU": (vram.min_gpus, {"gpu": "H10"}, UnknownNameError),
    "no GPU": (vram.min_gpus, {}, InputError),
    "no limit": (vram.min_gpus, {"gpu": "H100", "at_most": 0}, InputError),
    "no users": (vram.min_utilization, {"gpu": "H100", "concurrency": 0}, InputError),
    "an unknown argument": (vram.min_memory_bytes, {"gpu": "H100", "tp": 2}, UnknownNameError),
}


@pytest.mark.parametrize(("function", "asked", "error"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_an_error(function: Any, asked: dict[str, Any], error: type[VramError]) -> None:
    with pytest.raises(error):
        function("Qwen/Qwen3-8B", **asked)


def test_the_lowest_share_is_looked_for_within_what_is_free() -> None:
    from attrs import evolve

    from vram.advise.inverse import lowest_share
    from vram.ask.asking import ask
    from vram.ask.resolve import redeploy

    question = ask("Qwen/Qwen3-8B", gpu="H100", max_model_len=4096)
    free = evolve(question.hardware, used_bytes=question.hardware.memory_bytes // 20)
    nearly_none = evolve(question.hardware, used_bytes=question.hardware.memory_bytes // 1000 * 999)

    assert lowest_share(redeploy(question, hardware=free)) == lowest_share(question)
    assert lowest_share(redeploy(question, hardware=nearly_none)) is None
