"""Checks in vLLM's order with vLLM's words, and the policy, on made-up facts at the borders of each condition."""

from __future__ import annotations

from typing import Any

import pytest

from vram.estimate.cache.plan import KvGroup, KvPlan, Refusal
from vram.estimate.memory.overhead import Overhead
from vram.estimate.parts import Parts, cache_context
from vram.estimate.question import Question
from vram.estimate.verdict.judge import format_checks, judge
from vram.estimate.weights.ranks import Parallelism
from vram.estimate.weights.resolved import ResolvedModel
from vram.models.checkpoint import Checkpoint
from vram.models.config import ModelConfig
from vram.models.deployment import Deployment, EngineArgs, Policy
from vram.models.estimate import Check, Memory, Verdict
from vram.models.interval import Interval
from vram.models.kv_dtype import KVCacheDtype
from vram.models.profile import Gpu, Hardware, OverheadProfile
from vram.models.scheme import Format, ModuleRef, Quantization, QuantizationRequest, QuantizationScheme
from vram.models.spec import ModelSpec
from vram.units import GIB
from vram.vllm.versions import Version, behaviour

AUTO = KVCacheDtype(name="auto")
BOARD = Gpu(name="Board", family="test", memory_bytes=80 * GIB, compute_capability=(9, 0), bandwidth=1.0)


class Packed(Quantization):
    """What a checkpoint in a made-up format is bound to."""

    name = "packed"

    def format_for(self, module: ModuleRef) -> Format | None:
        return None


class Scheme(QuantizationScheme):
    """Runs on 8.0 and newer, from 0.10.0 to before 0.20.0."""

    name = "packed"
    methods = ("packed",)
    min_capability = (8, 0)
    since = (0, 10, 0)
    removed = (0, 20, 0)

    def bind(self, request: QuantizationRequest) -> Quantization:
        return Packed()


def facts(
    *,
    headroom: int = 5 * GIB,
    required: int = GIB,
    budget: int = 72 * GIB,
    weights: int = 16 * GIB,
    length: int = 4096,
    derived: int = 8192,
    refusal: Refusal | None = None,
    estimated: int | None = None,
    groups: int = 1,
    policy: float = 1.0,
    seqs: int = 256,
    concurrency: int = 1,
    free: int | None = None,
) -> tuple[Parts, Memory]:
    spec = ModelSpec(
        architecture="Test", dtype="float16", hidden_size=64, vocab_size=100, num_attention_heads=4,
        max_model_len=derived, derived_max_model_len=derived, num_layers=1, runs=(), placed=(),
    )  # fmt: skip
    deployment = Deployment(
        args=EngineArgs(), gpu=BOARD, gpu_memory_bytes=80 * GIB, vllm_version=(0, 19, 0), dtype="float16",
        max_model_len=length, max_num_seqs=seqs, max_num_batched_tokens=2048, gpu_memory_utilization=0.9,
        concurrency=concurrency, free_memory_bytes=free,
    )  # fmt: skip
    zero = Interval.exact(0)
    memory = Memory(
        weights=Interval.exact(weights), activation_peak=zero, cuda_graphs=zero, non_torch=zero,
        kv_cache_required=Interval.exact(required), budget_bytes=budget, kv_cache_available=Interval.exact(3 * GIB),
        headroom=Interval.exact(headroom),
    )  # fmt: skip
    plan = KvPlan(
        dtype="float16", block_size=16, bytes_per_token=1, num_blocks=7, tokens=1, max_concurrency=1.0,
        estimated_max_model_len=estimated, needed_bytes=9 * GIB, bytes_per_block=1, refusal=refusal, max_model_len=length,
        groups=(KvGroup(kind="full_attention", layers=1, block_size=16, page_bytes=1),) * groups,
    )  # fmt: skip
    profile = OverheadProfile(name="test")
    question = Question(
        checkpoint=Checkpoint(id="x", source="local", config=ModelConfig(raw={})),
        hardware=Hardware(gpu=BOARD, profile=profile, memory_bytes=80 * GIB), spec=spec, scheme=None, quantization=None,
        kv_dtype=AUTO, deployment=deployment, policy=Policy(headroom_gib=policy),
    )  # fmt: skip
    overhead = Overhead(
        activation_peak=zero, cuda_graphs=zero, cuda_graphs_logged=zero, non_torch=zero, budget_bytes=budget,
        kv_cache_available=Interval.exact(3 * GIB),
    )  # fmt: skip
    parts = Parts(
        question=question, parallel=Parallelism(), model=ResolvedModel(spec=spec, modules=()), weights=(),
        weights_bytes=weights, cache_ranks=(),
        overhead=overhead, context=cache_context(question), pools=(), plan=plan,
    )  # fmt: skip
    return parts, memory


def check(verdict: Verdict, name: str) -> Check:
    return next(one for one in verdict.checks if one.name == name)


def test_a_deployment_with_room_starts_fits_and_says_nothing() -> None:
    verdict = judge(*facts())
    assert (verdict.starts, verdict.fits, verdict.oom_risk, verdict.warnings) == (True, True, "low", ())
    assert [one.name for one in verdict.checks] == ["max_model_len", "weights", "cache_blocks", "kv_cache_length"]
    assert all(one.passed for one in verdict.checks)


@pytest.mark.parametrize(
    ("headroom", "policy", "fits", "risk"),
    [
        (GIB, 1.0, True, "medium"),  # just what was asked for
        (GIB - 1, 1.0, False, "medium"),
        (2 * GIB, 1.0, True, "low"),  # 2 GiB free are a low risk
        (2 * GIB - 1, 1.0, True, "medium"),
        (0, 0.0, True, "medium"),
        (-1, 0.0, False, "high"),
    ],
)
def test_fitting_and_risk_at_their_borders(headroom: int, policy: float, fits: bool, risk: str) -> None:
    verdict = judge(*facts(headroom=headroom, policy=policy))
    assert (verdict.starts, verdict.fits, verdict.oom_risk) == (True, fits, risk)


def test_a_deployment_that_does_not_start_does_not_fit() -> None:
    verdict = judge(*facts(length=9000))
    assert (verdict.starts, verdict.fits) == (False, False)
    assert verdict.warnings == ("vLLM would refuse to start.",)


@pytest.mark.parametrize(("length", "passed"), [(8191, True), (8192, True), (8193, False)])
def test_the_derived_length_is_the_longest(length: int, passed: bool) -> None:
    found = check(judge(*facts(length=length)), "max_model_len")
    assert (found.passed, found.fix) == (passed, None if passed else "--max-model-len 8192")
    if not passed:
        assert found.message == ("User-specified max_model_len (8193) is greater than the derived max_model_len (8192)")


def test_free_memory_is_checked_where_it_is_known() -> None:
    assert not any(one.name == "free_memory" for one in judge(*facts()).checks)
    good = check(judge(*facts(free=72 * GIB)), "free_memory")
    assert (good.passed, good.message) == (True, "free memory (72.00/80.00 GiB) covers the budget")
    short = check(judge(*facts(free=72 * GIB - 1)), "free_memory")
    # 71.99… of 80 GiB are 0.8999…: cut to hundredths, so that it is free
    assert (short.passed, short.fix) == (False, "--gpu-memory-utilization 0.89")
    assert short.message == (
        "Free memory on device (72.00/80.00 GiB) on startup is less than desired GPU memory utilization (0.9, 72.00 GiB)"
    )
    assert check(judge(*facts(free=40 * GIB)), "free_memory").fix == "--gpu-memory-utilization 0.5"


@pytest.mark.parametrize(("weights", "passed"), [(80 * GIB, True), (80 * GIB + 1, False)])
def test_weights_fill_at_most_the_whole_gpu(weights: int, passed: bool) -> None:
    assert check(judge(*facts(weights=weights)), "weights").passed is passed


def cache_checks(**changes: Any) -> list[tuple[str, bool]]:
    names = ("cache_blocks", "kv_cache_length", "mamba_blocks")
    return [(one.name, one.passed) for one in judge(*facts(**changes)).checks if one.name in names]


def test_refusals_of_the_cache_planner() -> None:
    assert cache_checks(groups=0, refusal=Refusal.NO_MEMORY) == []  # nothing is cached, nothing is checked
    assert cache_checks(refusal=Refusal.NO_MEMORY) == [("cache_blocks", False)]
    assert cache_checks(refusal=Refusal.AUTO_FIT) == [("cache_blocks", True), ("kv_cache_length", False)]
    assert cache_checks(refusal=Refusal.TOO_LONG) == [("cache_blocks", True), ("kv_cache_length", False)]
    assert cache_checks(refusal=Refusal.MAMBA_BLOCKS) == [
        ("cache_blocks", True), ("kv_cache_length", True), ("mamba_blocks", False),
    ]  # fmt: skip
    assert not judge(*facts(refusal=Refusal.MAMBA_BLOCKS)).starts


def test_too_long_a_context_is_refused_in_vllms_words() -> None:
    # E_LEN of the start-up logs, with and without the estimate
    words = (
        "To serve at least one request with the model's max seq len (4096), (9.00 GiB KV cache is needed, which is larger "
        "than the available KV cache memory (3.00 GiB)"
    )
    estimate = ". Based on the available memory, the estimated maximum model length is 1234"
    known = check(judge(*facts(refusal=Refusal.TOO_LONG, estimated=1234)), "kv_cache_length")
    unknown = check(judge(*facts(refusal=Refusal.TOO_LONG)), "kv_cache_length")
    assert (known.message, unknown.message) == (words + estimate, words)


def test_more_requests_than_run_at_once_wait() -> None:
    assert judge(*facts(seqs=8, concurrency=8)).warnings == ()
    assert judge(*facts(seqs=8, concurrency=9)).warnings == (
        "vLLM runs 8 requests at once and lets the others wait; --max-num-seqs 9 runs all.",
    )


def test_warnings_name_risk_and_a_large_cache() -> None:
    def said(**changes: Any) -> list[str]:
        return [sentence.split(":")[0] for sentence in judge(*facts(**changes)).warnings]

    assert said(headroom=-1, policy=0.0)[1:] == ["High risk of running out of memory"]
    assert said(headroom=GIB) == ["Medium risk of running out of memory"]
    # a deployment that does not start has no risk worth a word
    for headroom in (-1, GIB):
        assert said(headroom=headroom, length=9000) == ["vLLM would refuse to start."]
    # exactly half of the budget is not more than half
    assert said(required=36 * GIB) == []
    assert said(required=36 * GIB + 1) == ["The KV cache takes more than half of the budget"]
    assert said(required=1, budget=0) == []


def test_what_is_missing_is_said_with_its_size() -> None:
    verdict = judge(*facts(headroom=GIB // 2, policy=1.0, concurrency=3))
    assert verdict.warnings[0] == "3 × 4,096 tokens leave 0.50 GiB free, less than the 1.00 GiB asked for."


def test_a_cache_made_too_small_by_hand_is_named_where_enough_memory_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Parts, "holds_all", False)
    monkeypatch.setattr(Parts, "most_requests", lambda _self, _length: 2)
    verdict = judge(*facts(headroom=GIB, policy=1.0, concurrency=3))
    assert verdict.warnings[0] == ("The KV cache holds 2 × 4,096 tokens at once, fewer than the 3 asked for.")


def formats(
    *,
    version: Version = (0, 19, 0),
    capability: tuple[int, int] = (9, 0),
    dtype: str = "float16",
    scheme: QuantizationScheme | None = None,
    quantization: Quantization | None = None,
    kv_dtype: KVCacheDtype = AUTO,
) -> list[tuple[str, bool, str, str | None]]:
    checks = format_checks(
        scheme=scheme, quantization=quantization, kv_dtype=kv_dtype, behaviour=behaviour(version), dtype=dtype,
        capability=capability, gpu_name="Board",
    )  # fmt: skip
    return [(one.name, one.passed, one.message, one.fix) for one in checks]


def test_unquantized_float16_needs_nothing() -> None:
    assert formats() == []
    assert formats(scheme=Scheme()) == formats(quantization=Packed()) == []


@pytest.mark.parametrize(("capability", "passed"), [((7, 5), False), ((8, 0), True), ((8, 9), True), ((9, 0), True)])
def test_bfloat16_needs_8_0(capability: tuple[int, int], passed: bool) -> None:
    ((name, good, message, fix),) = formats(dtype="bfloat16", capability=capability)
    assert (name, good, fix) == ("dtype", passed, None if passed else "--dtype half")
    assert message.endswith("runs on Board" if passed else "is not supported on Board")


@pytest.mark.parametrize(
    ("version", "capability", "problem"),
    [
        ((0, 10, 0), (8, 0), None),
        ((0, 19, 1), (8, 0), None),
        ((0, 19, 0), (7, 5), "packed needs compute capability 8.0; Board has 7.5"),
        ((0, 9, 2), (8, 0), "vLLM 0.9.2 does not have packed"),
        ((0, 20, 0), (8, 0), "vLLM 0.20.0 no longer has packed"),
    ],
)
def test_a_scheme_has_versions_and_a_least_capability(
    version: Version, capability: tuple[int, int], problem: str | None
) -> None:
    ((name, passed, message, fix),) = formats(
        scheme=Scheme(), quantization=Packed(), version=version, capability=capability
    )
    assert name == "quantization"
    assert (passed, fix) == (problem is None, "another checkpoint" if problem else None)
    assert message == (problem or "packed runs on Board")


def test_a_checkpoint_may_need_more_than_its_scheme_and_be_refused_for_its_own_reasons() -> None:
    narrow = Packed()
    narrow.min_capability = (9, 0)
    narrow.refusals = ("because",)
    found = formats(scheme=Scheme(), quantization=narrow, capability=(8, 9))
    assert [(passed, message) for _, passed, message, _ in found] == [
        (False, "packed needs compute capability 9.0; Board has 8.9"), (False, "because"),
    ]  # fmt: skip


def test_a_quantized_cache_is_checked_like_a_scheme() -> None:
    fp8 = KVCacheDtype(name="fp8", bits=8, min_capability=(8, 9), since=(0, 8, 0))
    assert formats(kv_dtype=fp8) == [("kv_cache_dtype", True, "KV cache dtype fp8 runs on Board", None)]
    ((_, passed, message, fix),) = formats(kv_dtype=fp8, capability=(8, 0))
    assert (passed, fix) == (False, "--kv-cache-dtype auto")
    assert message == "KV cache dtype fp8 needs compute capability 8.9; Board has 8.0"
    # unquantized ones are not
    assert formats(kv_dtype=KVCacheDtype(name="bfloat16", bits=16, min_capability=(99, 0))) == []
