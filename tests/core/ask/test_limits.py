"""A limit, asked for, fits; one block more does not. Whatever length was asked for first.

`VRAM_LIMIT_CASES=5000 pytest tests/core/ask/test_limits.py` draws that many deployments of catalogued models.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

import vram
from vram.ask.asking import ask
from vram.ask.limits import limits_of, longest_context
from vram.ask.resolve import redeploy
from vram.checkpoint.catalog import find, list_catalog
from vram.errors import VramError
from vram.estimate.parts import Parts, compute
from vram.estimate.question import Question
from vram.estimate.verdict.cell import judge_cell

CASES = int(os.environ.get("VRAM_LIMIT_CASES", "200"))
PIECES = 8  # so that several processes share them
MODELS = sorted(entry.id for entry in list_catalog())
GPUS = (
    "RTX 3060", "RTX 4060", "RTX 4090", "RTX 5090", "T4", "V100 SXM2 32GB", "L4", "A10G", "L40S", "A100 80GB SXM",
    "H100 80GB SXM", "H200", "B200", "GB10", "RTX PRO 6000 Blackwell Workstation",
)  # fmt: skip
VERSIONS = (None, None, None, "0.7.3", "0.8.5", "0.10.2", "0.14.1", "0.20.2", "0.27.0")
LENGTHS: tuple[int | None, ...] = (None, -1, 2048, 8192, 32768, 131072)


def drawn(piece: int) -> Iterator[Parts]:
    """The parts of one piece's deployments, those left out that vLLM cannot be asked for."""
    draw = random.Random(piece)
    for _ in range(-(-CASES // PIECES)):
        checkpoint = find(draw.choice(MODELS))
        arguments: dict[str, Any] = {
            "gpu": draw.choice(GPUS),
            "vllm_version": draw.choice(VERSIONS),
            "concurrency": draw.choice((1, 1, 2, 16, 100)),
            "tensor_parallel_size": draw.choice((1, 1, 1, 2, 4, 8)),
            "pipeline_parallel_size": draw.choice((1, 1, 1, 1, 2)),
            "max_model_len": draw.choice(LENGTHS),
            "kv_cache_dtype": draw.choice(("auto", "auto", "fp8")),
            "enforce_eager": draw.random() < 0.2,
            "max_num_batched_tokens": draw.choice((None, None, None, 4096, 16384)),
            "max_num_seqs": draw.choice((None, None, 16)),
            "enable_chunked_prefill": draw.choice((None, None, None, None, False)),
            "kv_cache_memory_bytes": draw.choice((None,) * 15 + (3 * 2**30,)),
            "num_gpu_blocks_override": draw.choice((None,) * 15 + (1000,)),
            "gpu_memory_utilization": draw.choice((None, None, 0.6, 0.97)),
        }
        assert checkpoint is not None
        try:
            yield compute(ask(checkpoint, **arguments))
        except VramError:
            continue


def fits(question: Question, **changes: Any) -> bool:
    try:
        return judge_cell(redeploy(question, **changes)).fits
    except VramError:
        return False


@pytest.mark.parametrize("piece", range(PIECES))
def test_a_limit_asked_for_fits_and_one_block_more_does_not(piece: int) -> None:
    asked = 0
    for parts in drawn(piece):
        question, found = parts.question, limits_of(parts)
        told = (question.checkpoint.id, question.hardware.gpu.name, question.deployment)
        own, block = question.spec.derived_max_model_len, max(1, parts.plan.block_size)
        context, users = found.max_context_at_concurrency, found.max_concurrency_at_context
        asked += 1
        assert not context or fits(question, max_model_len=context), (context, told)
        assert context == own or not fits(question, max_model_len=min(context + block, own)), (context, told)
        assert not users or fits(question, concurrency=users), (users, told)
        if parts.plan.groups:  # a model that keeps no cache holds as many as max_num_seqs, and lets the others wait
            assert not fits(question, concurrency=users + 1), (users, told)
    assert asked > 0


@pytest.mark.parametrize("piece", range(PIECES))
def test_the_longest_context_is_the_same_whatever_length_was_asked_for(piece: int) -> None:
    for parts in drawn(piece + 100):
        found = {}
        for length in (2048, 32768, None, -1):
            try:
                found[length] = longest_context(compute(redeploy(parts.question, max_model_len=length)))
            except VramError:
                continue  # a batch given by hand that is smaller than a length that is not chunked
        assert len(set(found.values())) <= 1, (found, parts.question.checkpoint.id, parts.question.deployment)


@pytest.mark.parametrize("asked", [None, -1, 2048, 32768, 128000])
def test_an_image_model_whose_video_grows_with_the_context_has_one_limit(asked: int | None) -> None:
    # from 32,768 tokens on a video of two frames more is profiled, and a 24 GB card no longer holds it
    arguments: dict[str, Any] = {"gpu": "RTX 4090", "max_model_len": asked}

    assert vram.max_context("Qwen/Qwen2.5-VL-7B-Instruct", **arguments) == 32767
    assert vram.estimate("Qwen/Qwen2.5-VL-7B-Instruct", gpu="RTX 4090", max_model_len=32767).verdict.fits
    assert not vram.estimate("Qwen/Qwen2.5-VL-7B-Instruct", gpu="RTX 4090", max_model_len=32768).verdict.starts


def test_nothing_fits_where_the_gpu_cannot_run_the_format() -> None:
    estimate = vram.estimate("Qwen/Qwen3-8B-FP8", gpu="V100 SXM2 32GB", max_model_len=4096)

    assert not estimate.verdict.starts
    assert (estimate.limits.max_context_at_concurrency, estimate.limits.max_concurrency_at_context) == (0, 0)


def test_a_pool_given_by_hand_limits_the_users_though_memory_is_free() -> None:
    # 2 GiB of cache: 147,456 bytes a token (36 layers × 2 × 8 heads × 128 × 2 bytes), blocks of 16, one kept back:
    # 910 blocks less one hold three requests of 4,096 tokens (256 blocks each)
    arguments: dict[str, Any] = {"gpu": "H100", "max_model_len": 4096, "kv_cache_memory_bytes": 2 * 2**30}
    three = vram.estimate("Qwen/Qwen3-8B", concurrency=3, **arguments)
    four = vram.estimate("Qwen/Qwen3-8B", concurrency=4, **arguments)

    assert three.limits.max_concurrency_at_context == 3
    assert (three.verdict.fits, four.verdict.fits) == (True, False)
    assert any("holds 3 × 4,096 tokens at once" in warning for warning in four.verdict.warnings)


@pytest.mark.parametrize("asked", [None, 16, 8192])
def test_a_tower_that_needs_more_for_tiny_requests_does_not_hide_the_limit(asked: int | None) -> None:
    # Voxtral pads each clip to 30 s: a batch of 16-token requests holds many clips, one of some hundred tokens few
    limit = vram.max_context("mistralai/Voxtral-Mini-3B-2507", gpu="T4", max_model_len=asked)

    assert limit > 10_000
    assert vram.estimate("mistralai/Voxtral-Mini-3B-2507", gpu="T4", max_model_len=limit).verdict.fits


def test_without_a_cache_fewer_users_are_no_relief() -> None:
    estimate = vram.estimate("BAAI/bge-m3", gpu="T4", gpu_memory_utilization=0.1)

    assert not estimate.verdict.fits
    assert estimate.limits.max_concurrency_at_context == 0
