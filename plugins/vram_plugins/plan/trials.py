"""One trial of a plan: what it decides, what stays the same over all of them, and what the estimate says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import floor
from typing import Any

from vram.ask import Cell, Question, Variant, answer, judge_cell, redeploy
from vram.errors import InputError, QuantizationError
from vram.models.estimate import Estimate
from vram.models.parameters import ceil_div
from vram.models.plan import Job
from vram.models.profile import Hardware
from vram.models.record import frozen
from vram.serving import serve_flags_of
from vram_plugins.plan.candidates import Pinned, Shape

#: highest share recommended: beyond it a desktop, ECC or a second context lacks memory (as in the estimate's changes)
HIGHEST_UTILIZATION = 0.97
#: below the free memory of a GPU that others use, too
_STEPS_DOWN = (0.01, 0.02, 0.04, 0.08)
#: shares that leave more room for graphs that no budget counts
_LESS = (0.96, 0.95, 0.94, 0.93, 0.85, 0.75)


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
    question: Question
    cell: Cell


@frozen(kw_only=True, eq=False)
class Setup:
    """What stays the same over all trials: `base` is the model as it is on one GPU, `given` the user's engine arguments, which
    no trial changes.
    """

    base: Question
    hardware: Hardware
    job: Job
    given: Mapping[str, object]

    def share(self, shape: Shape) -> int:
        """Users of one replica."""
        return ceil_div(self.job.concurrency, shape.dp)

    def longest(self, level: Level) -> int:
        """The most tokens the model of a level takes. Raises VramError."""
        variant = level.variant
        stored = redeploy(self.base, checkpoint=variant.checkpoint, quantization=variant.quantization)
        return stored.spec.derived_max_model_len

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
        highest = self.highest_utilization
        if highest is None:
            return (None,)
        return tuple(dict.fromkeys((min(self.base.behaviour.default_utilization, highest), highest)))

    @property
    def lower_utilizations(self) -> tuple[float, ...]:
        """Shares to try where at these graphs find no room beside the cache, or what is free may not be."""
        highest = self.highest_utilization
        if highest is None:
            return ()
        lower = [share for share in _LESS if share < highest]
        held = [] if self.hardware.free_memory_bytes is None else [round(highest - step, 2) for step in _STEPS_DOWN]
        return tuple(sorted({share for share in (*lower, *held) if share > 0}, reverse=True))

    @property
    def highest_utilization(self) -> float | None:
        """The largest share to try; None where the user gave one."""
        if "gpu_memory_utilization" in self.given:
            return None
        free = self.hardware.free_memory_bytes
        if free is None:
            return HIGHEST_UTILIZATION
        return min(HIGHEST_UTILIZATION, floor(free / self.hardware.memory_bytes * 100) / 100)


@lru_cache(maxsize=32)  # reasons, options and commands ask for the same few
def judged(question: Question) -> Estimate:
    """The whole answer to a trial's question."""
    return answer(question)


def attempt(setup: Setup, choice: Choice) -> Trial | None:
    """Estimate a choice; None where vLLM could not be started with it at all."""
    try:
        return tried(setup, choice)
    except (InputError, QuantizationError):
        return None  # heads that do not divide, more stages than layers, a cache that has no such dtype


def tried(setup: Setup, choice: Choice) -> Trial:
    """Estimate a choice. Raises InputError or QuantizationError where vLLM could not be started with it at all."""
    shape, level = choice.shape, choice.level
    args: dict[str, Any] = {
        "tensor_parallel_size": shape.tp,
        "pipeline_parallel_size": shape.pp,
        "data_parallel_size": shape.dp,
        "enable_expert_parallel": shape.ep,
        "quantization": level.variant.quantization,
        "kv_cache_dtype": level.kv_cache_dtype,
        "max_model_len": choice.length,
    }
    for name in ("max_num_seqs", "max_num_batched_tokens", "utilization"):
        if (value := getattr(choice, name)) is not None:  # else what the user gave, or vLLM's
            args["gpu_memory_utilization" if name == "utilization" else name] = value
    question = redeploy(
        setup.base,
        checkpoint=level.variant.checkpoint,
        hardware=setup.hardware,
        concurrency=setup.share(shape),
        **args,
    )
    if shape.ep and "enable_expert_parallel" not in setup.given:
        serve_flags_of({"enable_expert_parallel": True}, question.deployment.vllm_version)
    return Trial(choice=choice, question=question, cell=judge_cell(question))


def _given_count(given: Mapping[str, object], name: str) -> int | None:
    value = given.get(name)
    return value if isinstance(value, int) else None
