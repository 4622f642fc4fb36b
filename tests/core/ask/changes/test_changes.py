"""Every change that is named starts and fits when it is asked for; where none is named, none of the stated space does.

`VRAM_CHANGE_CASES=5000 pytest tests/core/ask/changes/test_changes.py` draws that many refused deployments of catalogued models.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest

import vram
from vram.ask.asking import ask
from vram.ask.changes.trying import holds
from vram.ask.resolve import parts_of
from vram.checkpoint.catalog import list_catalog
from vram.errors import VramError
from vram.estimate.parts import compute
from vram.gpus.find import all_gpus
from vram.models.estimate import Estimate
from vram.plugin.manager import plugins

CASES = int(os.environ.get("VRAM_CHANGE_CASES", "80"))
PIECES = 8  # so that several processes share them
MODELS = sorted(entry.id for entry in list_catalog())
GPUS = sorted({gpu.name for gpu in all_gpus(plugins().profiles)})
VERSIONS = (None, None, None, "0.6.6", "0.8.5", "0.9.2", "0.10.2", "0.11.2", "0.14.1", "0.19.1", "0.20.2", "0.28.0")
#: what a question may state, and how often it does
STATED: tuple[tuple[str, float, tuple[object, ...]], ...] = (
    ("max_model_len", 0.5, (1024, 4096, 8192, 16384, 32768, 65536, 131072, 262144)),
    ("tensor_parallel_size", 0.3, (2, 4, 8)),
    ("pipeline_parallel_size", 0.15, (2, 4)),
    ("kv_cache_dtype", 0.3, ("fp8", "auto", "fp8_e5m2")),
    ("concurrency", 0.3, (4, 16, 64, 256)),
    ("enforce_eager", 0.2, (True,)),
    ("gpu_memory_utilization", 0.2, (0.5, 0.8, 0.95, 0.98)),
    ("max_num_seqs", 0.2, (8, 64, 512, 1024)),
    ("max_num_batched_tokens", 0.1, (4096, 16384)),
    ("quantization", 0.15, ("fp8", "bitsandbytes")),
    ("dtype", 0.1, ("half", "bfloat16")),
    ("kv_cache_memory_bytes", 0.05, (1 << 28, 1 << 32)),
    ("cpu_offload_gb", 0.05, (8.0,)),
)


Refused = list[tuple[str, dict[str, Any], Estimate]]


@pytest.fixture(scope="module", params=range(PIECES))
def refusals(request: pytest.FixtureRequest) -> Refused:
    """One piece's deployments that do not start or fit."""
    return list(refused(request.param))


def refused(piece: int) -> Iterator[tuple[str, dict[str, Any], Estimate]]:
    """One piece's deployments that do not start or fit, one by one."""
    draw = random.Random(piece)
    wanted = -(-CASES // PIECES)
    while wanted:
        model = draw.choice(MODELS)
        stated = {name: draw.choice(values) for name, often, values in STATED if draw.random() < often}
        asked: dict[str, Any] = {"gpu": draw.choice(GPUS), "vllm_version": draw.choice(VERSIONS), **stated}
        try:
            estimate = vram.estimate(model, **asked)
        except VramError:
            continue
        if not estimate.verdict.fits:
            wanted -= 1
            yield model, asked, estimate


def test_every_change_starts_and_fits_when_it_is_asked_for(refusals: Refused) -> None:
    for model, asked, estimate in refusals:
        verdict = estimate.verdict
        assert bool(verdict.changes) != bool(verdict.no_change), (model, asked)
        for change in verdict.changes:
            again = {**asked, **change.arguments}
            changed = vram.estimate(again.pop("model", model), **again)
            told = (model, asked, change.words)
            assert changed.verdict.starts, told
            assert changed.verdict.fits, told
            assert changed.verdict.certainty == "likely", told
            assert changed.limits == change.limits, told


def test_a_gpu_more_is_never_named_before_a_flag(refusals: Refused) -> None:
    for model, asked, estimate in refusals:
        facts = estimate.deployment
        present = facts.tensor_parallel_size * facts.pipeline_parallel_size
        taken = []
        for change in estimate.verdict.changes:
            again = {**asked, **change.arguments}
            ranks = again.get("tensor_parallel_size", 1) * again.get("pipeline_parallel_size", 1)
            taken.append("gpu" in change.arguments or ranks > present)
        assert taken == sorted(taken), (model, asked, [change.words for change in estimate.verdict.changes])


def test_no_change_changes_nothing(refusals: Refused) -> None:
    for model, asked, estimate in refusals:
        for change in estimate.verdict.changes:
            same = [name for name, value in change.arguments.items() if value is not None and asked.get(name) == value]
            assert not same, (model, asked, change.words)


def test_a_fix_starts_alone(refusals: Refused) -> None:
    for model, asked, estimate in refusals:
        for check in estimate.verdict.checks:
            if check.fix:
                change = next(change for change in estimate.verdict.changes if change.words == check.fix)
                assert len(change.arguments) == 1, (model, asked, check)


#: settings of which every combination is tried where no change was named
SPACE: tuple[tuple[dict[str, Any], ...], ...] = (
    ({}, {"gpu_memory_utilization": 0.97}, {"gpu_memory_utilization": 0.8}),
    ({}, {"max_num_batched_tokens": 512, "max_num_seqs": 1}),
    ({}, {"enforce_eager": True}),
    ({}, {"kv_cache_dtype": "fp8"}, {"kv_cache_dtype": "auto", "dtype": "auto"}, {"quantization": None}),
    ({}, {"max_model_len": 256}, {"max_model_len": 2048}),
    ({}, {"concurrency": 1}),
    ({}, *({"tensor_parallel_size": tp, "pipeline_parallel_size": pp} for tp, pp in product((1, 4, 8), (1, 2, 8)))),
)


def test_where_no_change_is_named_no_combination_of_settings_is_a_way_out(refusals: Refused) -> None:
    for model, asked, estimate in refusals:
        if estimate.verdict.changes or estimate.deployment.gpu.count("MIG"):
            continue
        question = compute(ask(model, **asked)).question
        for settings in product(*SPACE):
            together = {name: value for one in settings for name, value in one.items()}
            assert not holds(parts_of(question, **together)), (model, asked, together)


def test_a_format_that_the_gpu_has_no_kernels_for_is_answered_with_a_gpu_that_has() -> None:
    # mxfp4 experts need compute capability 8.0 (vllm/model_executor/layers/quantization/mxfp4.py), a T4 has 7.5
    change = vram.estimate("openai/gpt-oss-20b", gpu="T4").verdict.changes[0]

    assert list(change.arguments) == ["gpu"]
    assert vram.estimate("openai/gpt-oss-20b", **change.arguments).verdict.fits


@pytest.mark.parametrize(
    ("model", "gpu"), [("Qwen/Qwen3.6-27B", "RTX PRO 6000"), ("nvidia/Qwen3.5-122B-A10B-NVFP4", "H200")]
)
def test_more_sequences_than_states_are_answered_with_fewer_sequences_first(model: str, gpu: str) -> None:
    verdict = vram.estimate(model, gpu=gpu).verdict
    assert [check.name for check in verdict.checks if not check.passed] == ["mamba_blocks"]
    assert list(verdict.changes[0].arguments) == ["max_num_seqs"]
    assert vram.estimate(model, gpu=gpu, **verdict.changes[0].arguments).verdict.fits
