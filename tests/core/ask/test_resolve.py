"""A question changed is the question asked anew."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import evolve

from vram.ask.answering import answer
from vram.ask.asking import ask
from vram.ask.resolve import redeploy
from vram.checkpoint.catalog import find
from vram.errors import UnknownNameError
from vram.estimate.parts import compute
from vram.models.profile import Hardware
from vram.units import GIB

MODELS = (
    "Qwen/Qwen3-8B", "Qwen/Qwen3-8B-FP8", "openai/gpt-oss-20b", "zai-org/GLM-5.2-FP8", "google/gemma-3-12b-it",
    "Qwen/Qwen2.5-VL-7B-Instruct", "mistralai/Voxtral-Mini-3B-2507", "Qwen/Qwen3.5-35B-A3B", "BAAI/bge-m3",
)  # fmt: skip
FIRST: tuple[dict[str, Any], ...] = (
    {},
    {"max_model_len": 2048},
    {"max_model_len": -1, "max_num_seqs": 32},
    {"tensor_parallel_size": 2, "max_num_batched_tokens": 16000},
)
CHANGES: tuple[dict[str, Any], ...] = (
    {"max_model_len": 8192},
    {"max_model_len": None},
    {"tensor_parallel_size": 4, "max_model_len": 512},
    {"max_num_seqs": 7},
    {"kv_cache_dtype": "fp8", "enforce_eager": True},
    {"gpu_memory_utilization": 0.7, "concurrency": 9},
)


def asked(model: str, **arguments: Any) -> Any:
    checkpoint = find(model)
    assert checkpoint is not None, model
    return ask(checkpoint, gpu="H200", **arguments)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("first", FIRST, ids=str)
def test_a_question_for_another_deployment_is_that_deployment_asked(model: str, first: dict[str, Any]) -> None:
    question = asked(model, **first)
    for change in CHANGES:
        assert answer(redeploy(question, **change)) == answer(asked(model, **{**first, **change})), change


def test_nothing_changed_is_the_same_description() -> None:
    question = asked("Qwen/Qwen3-8B")

    assert redeploy(question).spec is question.spec
    assert redeploy(question, max_model_len=1000).spec is question.spec  # a text model's does not depend on it


def test_a_description_that_depends_on_the_length_is_made_anew() -> None:
    question = asked("Qwen/Qwen2.5-VL-7B-Instruct", max_model_len=2048)
    longer = redeploy(question, max_model_len=65536)

    def largest(spec: Any) -> int:
        return max(encoder.max_item_tokens for encoder in spec.encoders)

    assert largest(longer.spec) > largest(question.spec)


def test_auto_reaches_an_adapter_as_the_models_own_length() -> None:
    auto, own = asked("Qwen/Qwen2.5-VL-7B-Instruct", max_model_len=-1), asked("Qwen/Qwen2.5-VL-7B-Instruct")

    assert [e.max_item_tokens for e in auto.spec.encoders] == [e.max_item_tokens for e in own.spec.encoders]
    assert answer(auto).memory.activation_peak == answer(own).memory.activation_peak


def test_the_batch_that_vllm_chooses_sizes_the_buffers_that_are_as_long() -> None:
    # GLM-5.2's index buffer: max_num_batched_tokens × 2,048 int32, 16,384 tokens by default from 160 GiB on
    # (vLLM 0.33), 8,192 from 70 GiB on
    model = find("zai-org/GLM-5.2-FP8")
    assert model is not None

    def weights(gpu: str, **arguments: Any) -> int:
        return answer(ask(model, gpu=gpu, tensor_parallel_size=8, **arguments)).memory.weights.expected

    assert weights("B200") - weights("B200", max_num_batched_tokens=8192) == 8192 * 2048 * 4


def test_another_gpu_and_another_memory_resolve_the_batch_anew() -> None:
    question = asked("Qwen/Qwen3-8B")
    gpu = evolve(question.hardware.gpu, name="another")
    small = redeploy(question, hardware=Hardware(gpu=gpu, profile=question.profile, memory_bytes=40 * GIB))

    assert (question.deployment.max_num_batched_tokens, small.deployment.max_num_batched_tokens) == (8192, 2048)
    assert small.deployment.gpu_memory_bytes == 40 * GIB


@pytest.mark.parametrize(
    ("model", "version", "v2"),
    [  # `config/vllm.py:use_v2_model_runner` of each release
        ("Qwen/Qwen3-8B", "0.21.0", False),
        ("Qwen/Qwen3-8B", "0.22.1", True),  # unquantized alone
        ("Qwen/Qwen3-8B-FP8", "0.22.1", False),
        ("Qwen/Qwen3-8B-FP8", "0.23.0", False),
        ("Qwen/Qwen3-8B-FP8", "0.24.0", True),
        ("Qwen/Qwen3-30B-A3B", "0.25.1", False),  # dense models without recurrent state
        ("ai21labs/Jamba-v0.1", "0.28.0", False),
        ("google/gemma-3-12b-it", "0.25.1", True),
        ("Qwen/Qwen3-30B-A3B", "0.29.0", True),
        ("BAAI/bge-m3", "0.28.0", False),  # generates nothing
    ],
)
def test_the_model_runner_is_decided_once_for_the_whole_answer(model: str, version: str, v2: bool) -> None:
    question = asked(model, vllm_version=version)

    assert question.deployment.v2_runner is v2
    parts = compute(question)
    assert parts.context.model_runner_v2 is v2
    peak = next(note.note for note in parts.overhead.notes if note.component == "activation_peak")
    assert peak.startswith("V2 runner" if v2 else "V1 runner")


@pytest.mark.parametrize(
    ("gpu", "version", "v0"),
    [("H200", "0.7.3", True), ("H200", "0.8.5", False), ("T4", "0.10.1", True), ("T4", "0.10.2", False)],
)
def test_the_engine_is_decided_once_too(gpu: str, version: str, v0: bool) -> None:
    model = find("Qwen/Qwen2.5-7B-Instruct")
    assert model is not None
    question = ask(model, gpu=gpu, vllm_version=version, dtype="half")

    assert (question.deployment.v0_engine, compute(question).context.v0_engine) == (v0, v0)


@pytest.mark.parametrize("value", [1, None])
def test_an_argument_that_vllm_does_not_have_is_refused_by_name(value: int | None) -> None:
    with pytest.raises(UnknownNameError, match="max_model_length"):
        redeploy(asked("Qwen/Qwen3-8B"), max_model_length=value)
