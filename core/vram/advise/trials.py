"""One trial of a plan: what it decides, what stays the same over all of them, and what the estimate says."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor

from vram.advise.candidates import Pinned, Shape
from vram.advise.questions import Hardware, Questions, Stored
from vram.advise.variants import Variant
from vram.errors import InputError, QuantizationError
from vram.estimate.assemble import Question
from vram.estimate.verdict.cell import Cell, judge_cell
from vram.models.deployment import EngineArgs, Policy
from vram.models.parameters import ceil_div
from vram.models.plan import Job
from vram.models.record import frozen
from vram.models.request import Request

#: highest share recommended: beyond it a desktop, ECC or a second context lacks memory
HIGHEST_UTILIZATION = 0.95

#: engine arguments of `Choice` that already carry what the user gave
_OURS = frozenset(
    {
        "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "enable_expert_parallel",
        "quantization", "kv_cache_dtype", "max_model_len",
    }
)  # fmt: skip


@frozen(kw_only=True)
class Level:
    """How much is changed: the variant of the weights, and the KV cache dtype."""

    variant: Variant
    kv_cache_dtype: str


@frozen(kw_only=True)
class Choice:
    """Everything a trial decides. None leaves it to vLLM or to what the user gave."""

    level: Level
    shape: Shape
    length: int
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    utilization: float | None = None


@frozen(kw_only=True, eq=False)
class Trial:
    """A choice that was estimated."""

    choice: Choice
    request: Request
    stored: Stored
    question: Question
    cell: Cell


@frozen(kw_only=True, eq=False)
class Setup:
    """What stays the same over all trials. `given` are the user's engine arguments, which no trial changes."""

    questions: Questions
    hardware: Hardware
    job: Job
    policy: Policy
    gpu_memory_gib: float | None
    given: Mapping[str, object]

    def share(self, shape: Shape) -> int:
        """Users of one replica."""
        return ceil_div(self.job.concurrency, shape.dp)

    def longest(self, level: Level) -> int:
        """The most tokens the model of a level takes. Raises VramError."""
        capability = self.hardware.gpu.compute_capability
        args = EngineArgs(quantization=level.variant.quantization)
        return self.questions.stored(level.variant.checkpoint, capability, args).spec.derived_max_model_len

    @property
    def pinned(self) -> Pinned:
        """Parallel sizes the user decided."""
        return Pinned(
            tp=_given_count(self.given, "tensor_parallel_size"),
            pp=_given_count(self.given, "pipeline_parallel_size"),
            dp=_given_count(self.given, "data_parallel_size"),
            ep=bool(self.given["enable_expert_parallel"]) if "enable_expert_parallel" in self.given else None,
        )

    @property
    def utilizations(self) -> tuple[float | None, ...]:
        """Shares to try: the version's default, then the highest; none where the user gave one."""
        if "gpu_memory_utilization" in self.given:
            return (None,)
        highest = HIGHEST_UTILIZATION
        if self.hardware.free_memory_bytes is not None:
            highest = min(highest, floor(self.hardware.free_memory_bytes / self.hardware.gpu.memory_bytes * 100) / 100)
        return tuple(dict.fromkeys((min(self.questions.behaviour.default_utilization, highest), highest)))


def attempt(setup: Setup, choice: Choice) -> Trial | None:
    """Estimate a choice; None where vLLM could not be started with it at all."""
    shape, level = choice.shape, choice.level
    chosen = {
        "tensor_parallel_size": shape.tp,
        "pipeline_parallel_size": shape.pp,
        "data_parallel_size": shape.dp,
        "enable_expert_parallel": shape.ep,
        "quantization": level.variant.quantization,
        "kv_cache_dtype": level.kv_cache_dtype,
        "max_model_len": choice.length,
        "max_num_seqs": choice.max_num_seqs,
        "max_num_batched_tokens": choice.max_num_batched_tokens,
        "gpu_memory_utilization": choice.utilization,
    }
    given = {
        **{k: v for k, v in chosen.items() if v is not None},
        **{k: v for k, v in setup.given.items() if k not in _OURS},
    }
    try:
        request = Request(
            args=EngineArgs.from_mapping(given),
            gpu_memory_gib=setup.gpu_memory_gib,
            concurrency=setup.share(shape),
            policy=setup.policy,
        )
        capability = setup.hardware.gpu.compute_capability
        stored = setup.questions.stored(level.variant.checkpoint, capability, request.args)
        question = setup.questions.ask(level.variant.checkpoint, stored, setup.hardware, request)
        cell = judge_cell(question)
    except (InputError, QuantizationError):
        return None  # heads that do not divide, more stages than layers, a cache that has no such dtype
    return Trial(choice=choice, request=request, stored=stored, question=question, cell=cell)


def _given_count(given: Mapping[str, object], name: str) -> int | None:
    value = given.get(name)
    return value if isinstance(value, int) else None
