"""The fixed figure of uncalibrated GPUs, the parts a calibrated one is made of, and what is left for the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from attrs import evolve

from vram.estimate.memory import overhead
from vram.estimate.memory.budget import budget_bytes
from vram.estimate.memory.overhead import Overhead, _SameButLength
from vram.estimate.memory.profile_run import ProfileRun, profile_run
from vram.estimate.question import Question
from vram.estimate.weights.ranks import Parallelism, RankWeights
from vram.estimate.weights.resolved import ResolvedModel
from vram.models.checkpoint import Checkpoint
from vram.models.config import ModelConfig
from vram.models.deployment import Deployment, EngineArgs, Policy
from vram.models.kv_dtype import KVCacheDtype
from vram.models.profile import Constant, Gpu, Hardware, OverheadProfile
from vram.models.spec import SHAPELESS, Encoder, ModelSpec
from vram.units import GIB
from vram.vllm.versions import behaviour

BOARD = Gpu(
    name="Board",
    family="test",
    memory_bytes=80 * GIB,
    compute_capability=(9, 0),
    bandwidth=1.0,
    sm_count=114,
    logged=True,
)
MEASURED = OverheadProfile(
    name="test",
    calibrated=True,
    constants=(
        Constant(name="gpu_memory_spread", value=0.01, low=0, high=1, provenance="measured", source="made up"),
        Constant(name="weights_spread", value=0.5, low=0, high=1, provenance="measured", source="made up"),
    ),
)


def spec(**changes: Any) -> ModelSpec:
    return ModelSpec(
        **{
            "architecture": "LlamaForCausalLM", "dtype": "bfloat16", "hidden_size": 64, "vocab_size": 100,
            "num_attention_heads": 4, "max_model_len": 4096, "derived_max_model_len": 4096, "num_layers": 2, "runs": (),
            "placed": (), **changes,
        }
    )  # fmt: skip


class Case(NamedTuple):
    """What the overhead depends on."""

    question: Question
    model: ResolvedModel
    weights: tuple[RankWeights, ...]

    @property
    def heaviest(self) -> int:
        return max(rank.weights_bytes for rank in self.weights)

    @property
    def run(self) -> ProfileRun:
        return profile_run(self.model, self.question.deployment, Parallelism(), self.question.profile)


def fixed_overhead(case: Case) -> Overhead:
    return overhead.fixed_overhead(case.question, case.heaviest)


def component_overhead(case: Case) -> Overhead:
    return overhead.component_overhead(case.question, case.heaviest, case.run)


def predict_overhead(case: Case) -> Overhead:
    return overhead.predict_overhead(case.question, case.model, case.weights, Parallelism())


@pytest.fixture
def inputs() -> Callable[..., Case]:
    """A deployment on a board of 80 GiB with two pipeline ranks of 10 and 4 GiB of weights."""

    def make(*, args: dict[str, Any] | None = None, memory: int = 80 * GIB, **changes: Any) -> Case:
        model = ResolvedModel(spec=changes.pop("spec", spec()), modules=())
        version, gpu = changes.pop("version", (0, 19, 0)), changes.pop("gpu", BOARD)
        deployment = Deployment(
            args=EngineArgs(**(args or {})), gpu=gpu, gpu_memory_bytes=memory, vllm_version=version,
            dtype="bfloat16", max_model_len=4096, max_num_seqs=16, max_num_batched_tokens=2048,
            gpu_memory_utilization=0.9, v0_engine=version < (0, 8, 0), v2_runner=version >= (0, 23, 0),
        )  # fmt: skip
        weights = tuple(
            RankWeights(pipeline_rank=rank, parameter_bytes=size, weights_bytes=size, layers=range(rank, rank + 1))
            for rank, size in enumerate((10 * GIB, 4 * GIB))
        )
        profile = changes.pop("profile", OverheadProfile(name="nobody", calibrated=False))
        question = Question(
            checkpoint=Checkpoint(id="x", source="local", config=ModelConfig(raw={})),
            hardware=Hardware(gpu=gpu, profile=profile, memory_bytes=memory), spec=model.spec, scheme=None,
            quantization=None, kv_dtype=KVCacheDtype(name="auto"), deployment=deployment,
            policy=changes.pop("policy", Policy()),
        )  # fmt: skip
        assert not changes
        return Case(question, model, weights)

    return make


@pytest.mark.parametrize(
    ("memory_gib", "tp", "expected"),
    [
        (24, 1, GIB),  # 2 % of 24 GiB is less than the floor of 1 GiB
        (24, 2, GIB + GIB // 4),  # 0.25 GiB for the one further rank
        (24, 8, GIB + 7 * GIB // 4),
        (100, 1, 2 * GIB),  # 2 %
        (100, 4, 2 * GIB + 3 * GIB // 4),
    ],
)
def test_an_uncalibrated_gpu_takes_a_gib_or_two_percent_and_a_quarter_per_further_rank(
    inputs: Callable[..., Case], memory_gib: int, tp: int, expected: int
) -> None:
    found = fixed_overhead(inputs(memory=memory_gib * GIB, args={"tensor_parallel_size": tp}))
    total = found.non_torch
    assert (total.low, total.expected, total.high) == (expected // 2, expected, 2 * expected)
    assert total.provenance == "assumed"
    assert found.activation_peak.high == found.cuda_graphs.high == found.cuda_graphs_logged.high == 0


def test_what_a_fixed_figure_leaves(inputs: Callable[..., Case]) -> None:
    # 80 GiB × 0.9 = 72; 1.6 GiB (2 %) and the heavier rank's 10 go off it; the low end takes twice the figure
    found = fixed_overhead(inputs())
    budget, figure = budget_bytes(80 * GIB, 0.9, behaviour((0, 19, 0))), int(80 * GIB * 0.02)
    left = found.kv_cache_available
    assert found.budget_bytes == budget
    assert left.expected == budget - 10 * GIB - figure
    assert left.low == budget - 10 * GIB - 2 * figure
    assert left.high == budget - 10 * GIB - figure // 2


def test_a_figure_of_the_user_has_no_spread_and_rules_over_a_profile(inputs: Callable[..., Case]) -> None:
    for profile in (OverheadProfile(name="nobody", calibrated=False), MEASURED):
        found = predict_overhead(inputs(profile=profile, policy=Policy(overhead_gib=0.0)))
        assert (found.non_torch.low, found.non_torch.high) == (0, 0)
        found = predict_overhead(
            inputs(profile=profile, policy=Policy(overhead_gib=3.5), args={"tensor_parallel_size": 2})
        )
        assert (found.non_torch.low, found.non_torch.expected) == (7 * GIB // 2, 7 * GIB // 2)
        assert [note.source for note in found.notes] == ["user"]


def test_models_without_shapes_and_uncalibrated_gpus_take_the_fixed_figure(
    inputs: Callable[..., Case],
) -> None:
    def fixed(**changes: Any) -> bool:
        found = predict_overhead(inputs(**changes))
        return found.activation_peak.expected == 0

    assert fixed()
    assert not fixed(profile=MEASURED)
    assert fixed(profile=MEASURED, spec=spec(hints=frozenset({SHAPELESS})))


def test_the_parts_of_a_calibrated_gpu_leave_the_rest(inputs: Callable[..., Case]) -> None:
    found = component_overhead(inputs(profile=MEASURED))
    parts = found.activation_peak.expected + found.non_torch.expected  # no graphs are charged before 0.20
    assert found.cuda_graphs.expected > 0
    assert found.kv_cache_available.expected == found.budget_bytes - 10 * GIB - parts
    charged = component_overhead(inputs(profile=MEASURED, version=(0, 20, 0)))
    taken = charged.budget_bytes - 10 * GIB - charged.activation_peak.expected - charged.non_torch.expected
    assert 0 < taken - charged.kv_cache_available.expected < charged.cuda_graphs.expected


def test_the_ends_carry_the_spread_of_weights_and_of_boards(inputs: Callable[..., Case]) -> None:
    # weights_spread 0.5 of 10 GiB is 5, gpu_memory_spread 0.01 of 80 GiB is 0.8: as squares at least 5.06 GiB, of which 0.9
    def reach(found: Overhead) -> tuple[float, float]:
        left = found.kv_cache_available
        return (left.expected - left.low) / GIB, (left.high - left.expected) / GIB

    below, above = reach(component_overhead(inputs(profile=MEASURED)))
    assert below >= 0.9 * (5**2 + 0.8**2) ** 0.5
    assert above >= 0.9 * (5**2 + 0.8**2) ** 0.5
    # the spread of boards is nothing where the user said how much memory there is: 79 GiB
    said, _ = reach(component_overhead(inputs(profile=MEASURED, memory=79 * GIB)))
    assert below**2 - said**2 == pytest.approx((0.9 * 0.8) ** 2, abs=0.001)


@pytest.mark.parametrize(
    ("what", "times"),
    [
        ({}, 0.9),
        ({"gpu": evolve(BOARD, logged=False)}, 0.9 * 1.2),  # no log is of this board
        ({"args": {"tensor_parallel_size": 2}}, 1.6),  # NCCL reduces, as the board has no NVLink
        ({"version": (0, 24, 0)}, 1.25),  # the V2 runner
        ({"version": (0, 24, 0), "gpu": evolve(BOARD, logged=False)}, 1.25 * 1.2),
    ],
)
def test_the_interval_is_as_much_wider_as_is_hard_about_the_start(
    inputs: Callable[..., Case], what: dict[str, Any], times: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def width() -> int:
        pool = component_overhead(inputs(profile=MEASURED, **what)).kv_cache_available
        return pool.high - pool.low

    wide = width()
    monkeypatch.setattr(overhead, "_reach", lambda run, deployment: 1)
    assert wide / width() == pytest.approx(times, abs=1e-6)


def test_peaks_are_shared_by_runs_that_differ_in_their_length_alone(inputs: Callable[..., Case]) -> None:
    run = inputs(profile=MEASURED).run
    assert _SameButLength(run) == _SameButLength(evolve(run, max_model_len=run.max_model_len + 1))
    # a board of the same facts that another profile was measured on
    assert _SameButLength(run) != _SameButLength(evolve(run, profile=evolve(MEASURED, name="other")))
    assert _SameButLength(run) != _SameButLength(evolve(run, tokens=run.tokens + 1))


def test_notes_say_where_each_part_is_from(inputs: Callable[..., Case]) -> None:
    notes = {note.component: note for note in component_overhead(inputs(profile=MEASURED)).notes}
    assert {note.source for note in notes.values()} == {"profile test"}
    peak = notes["activation_peak"].note
    assert peak.startswith("V1 runner: forward of 2048 tokens")
    assert "sampling 16 × 100 logits" in peak
    assert "MoE" not in peak
    assert "tower" not in peak
    assert notes["cuda_graphs"].note == "nothing of it is taken from the KV pool"
    assert "outside PyTorch" in notes["non_torch"].note


def test_notes_name_towers_runners_and_charged_graphs(inputs: Callable[..., Case]) -> None:
    tower = Encoder(modality="image", max_item_tokens=64, patches=256, width=128, mlp_width=256, heads=2)
    seeing = component_overhead(inputs(profile=MEASURED, spec=spec(encoders=(tower,)), version=(0, 29, 0)))
    notes = {note.component: note.note for note in seeing.notes}
    assert "V2 runner: " in notes["activation_peak"]
    assert "tower keeps" in notes["activation_peak"]
    assert not notes["cuda_graphs"].startswith("nothing")
    assert notes["non_torch"].startswith("V2 sampler state")
    old = component_overhead(inputs(profile=MEASURED, version=(0, 7, 3)))
    assert old.notes[0].note.startswith("V0 engine: ")
    # 0.11 to 0.16 on Hopper: the log hides what warm-up gives back
    hidden = component_overhead(inputs(profile=MEASURED, version=(0, 14, 1)))
    assert hidden.notes[1].note.startswith("as logged; capture takes ")


def test_streaming_multiprocessors_are_the_boards_own(inputs: Callable[..., Case]) -> None:
    def run(gpu: Gpu) -> ProfileRun:
        return inputs(gpu=gpu).run

    assert run(BOARD).sms == 114
    assert run(evolve(BOARD, sm_count=None)).sms == 132  # as on an H100, where nobody wrote the number down


def test_another_number_of_multiprocessors_changes_the_samplers_scratch(model_folder: Callable[..., Path]) -> None:
    # 0.19, 1024 requests: one fp32 row of 128256 words per multiprocessor. H100 PCIe has 114, H100 SXM 132
    import vram

    folder = model_folder(num_hidden_layers=2)
    asked = {"vllm_version": "0.19.0", "max_num_seqs": 1024, "gpu_memory_gib": 79.0}
    few, many = (
        vram.estimate(folder, gpu=gpu, **asked).memory.activation_peak.expected for gpu in ("H100 PCIe", "H100")
    )
    assert many - few == (132 - 114) * 128256 * 4
