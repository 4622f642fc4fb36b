"""A cell is judged as the whole answer is."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.errors import VramError
from vram.estimate.parts import compute
from vram.estimate.verdict.cell import Cell, judge_cell, obstacle_of
from vram.models.deployment import Policy
from vram.units import GIB

MODELS = (
    "Qwen/Qwen3-8B", "Qwen/Qwen3-8B-FP8", "openai/gpt-oss-20b", "deepseek-ai/DeepSeek-R1", "google/gemma-3-12b-it",
    "Qwen/Qwen3-Next-80B-A3B-Instruct", "Qwen/Qwen2.5-7B-Instruct-AWQ", "BAAI/bge-m3", "meta-llama/Llama-3.3-70B-Instruct",
)  # fmt: skip
GPUS = ("H100", "RTX 4090", "T4", "V100 32GB", "A100 40GB", "B200", "L4")
VERSIONS = ("0.9.2", "0.14.1", "0.20.2", "0.33.0")


@settings(max_examples=120, deadline=None)
@given(
    model=st.sampled_from(MODELS),
    gpu=st.sampled_from(GPUS),
    version=st.sampled_from(VERSIONS),
    concurrency=st.sampled_from((1, 7, 64)),
    headroom=st.sampled_from((0.0, 1.0, 3.0)),
    args=st.fixed_dictionaries(
        {
            "tensor_parallel_size": st.sampled_from((1, 2, 4, 8)),
            "pipeline_parallel_size": st.sampled_from((1, 2, 3)),
            "kv_cache_dtype": st.sampled_from(("auto", "fp8")),
            "max_model_len": st.sampled_from((None, -1, 512, 8192, 100_000)),
        }
    ),
)
def test_a_cell_and_an_answer_agree(
    model: str, gpu: str, version: str, concurrency: int, headroom: float, args: dict[str, Any]
) -> None:
    policy = Policy(headroom_gib=headroom)
    try:
        question = ask(model, gpu=gpu, vllm_version=version, concurrency=concurrency, policy=policy, **args)
        estimate = answer(question)
    except VramError:
        assume(False)
        raise
    cell = judge_cell(question)
    assert (cell.starts, cell.fits) == (estimate.verdict.starts, estimate.verdict.fits)
    assert cell.headroom_bytes == estimate.memory.headroom.expected
    assert (cell.tokens, cell.max_concurrency) == (estimate.kv_cache.tokens, estimate.kv_cache.max_concurrency)
    assert cell.most_requests == estimate.limits.max_concurrency_at_context
    assert (cell.obstacle == "") == estimate.verdict.fits


def test_just_the_headroom_that_was_asked_for_is_enough() -> None:
    # GiB are powers of two: the bytes that stay free are a headroom without rounding
    def judged(headroom_gib: float) -> Cell:
        policy = Policy(overhead_gib=1.0, headroom_gib=headroom_gib)
        return judge_cell(ask("Qwen/Qwen3-8B", gpu="H100", vllm_version="0.33.0", policy=policy, max_model_len=4096))

    free = judged(0.0).headroom_bytes
    assert judged(free / GIB).obstacle == ""
    assert judged((free + 1) / GIB).obstacle == "policy"


def test_exactly_as_much_free_memory_as_the_budget_is_enough() -> None:
    question = ask("Qwen/Qwen3-8B", gpu="H100", vllm_version="0.33.0", max_model_len=4096)
    parts = compute(question)
    budget = parts.overhead.budget_bytes
    for free, obstacle in ((budget, ""), (budget - 1, "free_memory")):
        deployment = evolve(question.deployment, free_memory_bytes=free)
        assert obstacle_of(evolve(parts, question=evolve(question, deployment=deployment))) == obstacle


def test_weights_may_fill_the_whole_gpu_before_the_cache_is_looked_at() -> None:
    question = ask("Qwen/Qwen3-8B", gpu="H100", vllm_version="0.33.0", max_model_len=4096)
    parts = compute(question)
    whole = question.deployment.gpu_memory_bytes
    assert obstacle_of(evolve(parts, weights_bytes=whole)) != "weights"
    assert obstacle_of(evolve(parts, weights_bytes=whole + 1)) == "weights"
