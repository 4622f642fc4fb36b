"""What an engine told, put in the place of what would be predicted."""

from __future__ import annotations

from typing import Any

import pytest

from vram.architecture.engine import Told, ToldPlan, ToldRank, described_or_told
from vram.errors import ConfigError
from vram.models.deployment import Deployment, EngineArgs
from vram.models.profile import Gpu
from vram.models.record import evolve, frozen
from vram.models.spec import ModelSpec

MIB = 2**20
SPEC = ModelSpec(
    architecture="Told", dtype="bfloat16", hidden_size=64, vocab_size=100, num_attention_heads=4, max_model_len=4096,
    derived_max_model_len=8192, num_layers=2, runs=(), placed=(),
)  # fmt: skip
TOLD = Told(
    engine="vLLM 0.99.0", version=(0, 99, 0), where="python", spec=SPEC, ranks=(), dtype="float16", max_model_len=4096,
    max_num_seqs=77, max_num_batched_tokens=5555,
)  # fmt: skip


@frozen(kw_only=True)
class Weights:
    parameter_bytes: int
    weights_bytes: int


@frozen(kw_only=True)
class Plan:
    num_blocks: int
    tokens: int
    max_concurrency: float = 1.0
    estimated_max_model_len: int | None = None
    max_model_len: int = 4096


def deployment(**args: Any) -> Deployment:
    gpu = Gpu(name="G", family="g", memory_bytes=2**34, compute_capability=(9, 0), bandwidth=1.0)
    return Deployment(
        args=EngineArgs(**args), gpu=gpu, gpu_memory_bytes=2**34, vllm_version=(0, 33, 0), dtype="bfloat16",
        max_model_len=args.get("max_model_len", 8192), max_num_seqs=256, max_num_batched_tokens=2048, gpu_memory_utilization=0.9,
    )  # fmt: skip


def test_parameters_are_the_sum_of_distinct_tensors() -> None:
    assert ToldRank(sizes=((10, 3), (100, 2))).parameter_bytes == 230


def test_loading_changes_a_described_model_as_predicted() -> None:
    # predicted: 1000 created, of which repacking leaves 900; the engine created 1200
    found = ToldRank(sizes=((1200, 1),)).weighed(Weights(parameter_bytes=1000, weights_bytes=900), described=True)
    assert found == Weights(parameter_bytes=1200, weights_bytes=1100)


def test_a_model_without_description_is_held_in_the_allocators_blocks() -> None:
    # 3 tensors of 4 bytes take 512 each; 11 MiB get a segment of 12 that is not split (`vram.vllm.allocator`)
    found = ToldRank(sizes=((4, 3), (11 * MIB, 1))).weighed(
        Weights(parameter_bytes=0, weights_bytes=0), described=False
    )
    assert found == Weights(parameter_bytes=12 + 11 * MIB, weights_bytes=3 * 512 + 12 * MIB)


def test_what_the_user_did_not_say_is_the_engines() -> None:
    found = TOLD.settled(deployment())
    assert (found.dtype, found.max_model_len, found.max_num_seqs, found.max_num_batched_tokens) == (
        "float16",
        4096,
        77,
        5555,
    )


def test_what_the_user_said_stands() -> None:
    found = TOLD.settled(deployment(max_model_len=1024, max_num_batched_tokens=2048))
    assert (found.max_model_len, found.max_num_batched_tokens, found.max_num_seqs) == (1024, 2048, 77)


def test_a_length_to_be_fitted_starts_from_the_models_own() -> None:
    assert TOLD.settled(deployment(max_model_len=-1)).max_model_len == 4096


def test_another_length_is_about_the_same_model_and_another_plan() -> None:
    told = evolve(TOLD, plan=ToldPlan(pools=(1,), num_blocks=3))
    found = told.beside({"max_model_len": 1024})
    assert found is not None
    assert found.plan is None


@pytest.mark.parametrize("name", ["tensor_parallel_size", "kv_cache_dtype", "quantization", "block_size"])
def test_what_changes_the_model_must_be_asked_anew(name: str) -> None:
    assert TOLD.beside({name: 2}) is None


def test_a_plan_takes_the_place_of_what_it_tells_alone() -> None:
    found = ToldPlan(pools=(1,), estimated_max_model_len=123).instead_of(Plan(num_blocks=5, tokens=80))
    assert found == Plan(num_blocks=5, tokens=80, estimated_max_model_len=123)


@pytest.mark.parametrize(("blocks", "notes"), [(5, 0), (6, 1)])
def test_a_plan_by_other_rules_leaves_a_note(blocks: int, notes: int) -> None:
    told = evolve(TOLD, plan=ToldPlan(pools=(1,), num_blocks=blocks, tokens=80, max_concurrency=1.0))
    assert len(told.compared(Plan(num_blocks=5, tokens=80)).notes) == notes


def fails() -> ModelSpec:
    raise ConfigError(path="config.json", field="x", problem="is missing")


def test_an_adapter_that_fails_is_stood_in_for_where_an_engine_was_asked() -> None:
    assert described_or_told(TOLD, known=True, build=fails) is SPEC
    with pytest.raises(ConfigError):
        described_or_told(None, known=True, build=fails)


def test_what_no_adapter_knows_is_as_told_though_its_fields_could_be_guessed() -> None:
    assert described_or_told(TOLD, known=False, build=lambda: evolve(SPEC, hidden_size=1)) is SPEC


def test_the_runner_is_the_engines() -> None:
    described = evolve(SPEC, runner="pooling")
    assert described_or_told(TOLD, known=True, build=lambda: described).runner == "generate"
    assert described_or_told(None, known=True, build=lambda: described) is described
