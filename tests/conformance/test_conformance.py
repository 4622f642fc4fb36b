"""`vram` against vLLM's own answers for the bundled catalog (recorded by `ask_vllm.py`): equal to the byte and the token.

Differences that have a cause outside this program are listed here with it, and nowhere skipped silently.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.checkpoint.catalog import find

GIB = 2**30
GPUS = {"h100": ("H100 80GB", 79.18), "a100": ("A100 80GB", 79.25)}
ANSWERS = [json.loads(line) for line in (Path(__file__).parent / "answers.jsonl").read_text().splitlines()]


def label(answer: dict[str, Any]) -> str:
    return f"{answer['id']} {answer['gpu']} tp{answer['tp']} {json.dumps(answer['args'])}"


@pytest.fixture(params=ANSWERS, ids=label)
def answer(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One recorded answer."""
    return request.param


def estimate(answer: dict[str, Any]) -> vram.Estimate:
    gpu, total = GPUS[answer["gpu"]]
    checkpoint = find(answer["id"])
    assert checkpoint is not None
    return vram.estimate(
        checkpoint,
        gpu=gpu,
        gpu_memory_gib=total,
        tensor_parallel_size=answer["tp"],
        pipeline_parallel_size=answer["pp"],
        vllm_version=answer["vllm"],
        kv_cache_memory_bytes=answer["available_gib"] * GIB,
        **answer["args"],
    )


def test_parameters_defaults_and_kv_plan_are_vllms(answer: dict[str, Any]) -> None:
    found = estimate(answer)
    facts, plan = found.deployment, found.kv_cache
    assert [rank.parameter_bytes for rank in found.ranks] == answer["parameter_bytes"]
    assert found.model.dtype == answer["dtype"]
    assert (facts.max_model_len, facts.max_num_seqs, facts.max_num_batched_tokens) == (
        answer["max_model_len"],
        answer["max_num_seqs"],
        answer["max_num_batched_tokens"],
    )
    if answer.get("tokens") is not None:
        assert (plan.num_blocks, plan.tokens) == (answer["num_blocks"], answer["tokens"])
        assert plan.max_concurrency == pytest.approx(answer["max_concurrency"], rel=1e-9)
    elif "estimated_max_model_len" in answer:
        assert plan.estimated_max_model_len == answer["estimated_max_model_len"]
