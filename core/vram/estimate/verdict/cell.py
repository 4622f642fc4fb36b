"""One cell of a matrix: does it start, does it fit, what would it hold. The verdict's conditions without its words.

`vram.ask.answering` explains one deployment; thousands are only sorted. A cell asks the same arithmetic (`compute`) and the
same conditions as `verdict.judge`, but writes no sentence, searches no limit and no remedy.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from vram.estimate.cache.plan import Refusal
from vram.estimate.parts import Parts, architecture_problem, cache_problem, compute, kernel_problem
from vram.estimate.question import Question
from vram.estimate.verdict.certainty import captures, certainty_of, free_is_enough
from vram.estimate.verdict.judge import format_checks, length_check
from vram.models.estimate import Certainty
from vram.models.kv_dtype import KVCacheDtype
from vram.models.record import frozen
from vram.models.scheme import Quantization, QuantizationScheme
from vram.units import gib
from vram.vllm.versions import Version, behaviour

#: the first condition that fails, named as in the verdict's checks; "policy" where it starts without the headroom
Obstacle = Literal[
    "", "architecture", "format", "max_model_len", "free_memory", "weights", "cache_blocks", "kv_cache_length", "mamba_blocks",
    "cpu_offload", "graph_capture", "policy",
]  # fmt: skip

_REFUSALS: dict[Refusal, Obstacle] = {
    Refusal.NO_MEMORY: "cache_blocks",
    Refusal.TOO_LONG: "kv_cache_length",
    Refusal.AUTO_FIT: "kv_cache_length",
    Refusal.MAMBA_BLOCKS: "mamba_blocks",
}


@frozen(kw_only=True)
class Cell:
    """What one deployment comes to. Bytes per GPU of the most loaded rank.

    `tokens` and `max_concurrency` are the numbers vLLM prints, `most_requests` how many requests of the asked context
    the pool holds while the policy's headroom stays free. `obstacle` is "" where it fits.
    """

    obstacle: Obstacle
    weights_bytes: int
    headroom_bytes: int
    max_model_len: int
    tokens: int
    max_concurrency: float
    most_requests: int
    certainty: Certainty

    @property
    def starts(self) -> bool:
        """Every start-up check passes."""
        return self.obstacle in ("", "policy")

    @property
    def fits(self) -> bool:
        """The asked context × concurrency fits with the headroom."""
        return not self.obstacle

    @property
    def surely_fits(self) -> bool:
        """It fits, and starts with the least pool of the interval, too: what may be recommended."""
        return self.fits and self.certainty == "likely"


def judge_cell(question: Question) -> Cell:
    """Judge one deployment as `answer(question).verdict` would. Raises ParallelismError, InputError."""
    parts = compute(question)
    plan = parts.plan
    return Cell(
        obstacle=obstacle_of(parts),
        weights_bytes=parts.weights_bytes,
        headroom_bytes=parts.headroom_bytes,
        max_model_len=plan.max_model_len,
        tokens=plan.tokens,
        max_concurrency=plan.max_concurrency,
        most_requests=most_requests(parts),
        certainty=certainty_of(parts, _refusals(parts)),
    )


def most_requests(parts: Parts) -> int:
    """The most requests of the asked context that fit at once; 0 where vLLM does not start, however few they are."""
    obstacle = obstacle_of(parts)
    if obstacle and (obstacle != "policy" or not parts.plan.groups):
        return 0  # without a cache, fewer users are no relief
    return parts.most_requests(parts.plan.max_model_len)


@lru_cache(maxsize=16)  # an answer asks three times
def obstacle_of(parts: Parts) -> Obstacle:
    """The first condition that fails."""
    for obstacle in _refusals(parts):
        return obstacle
    fits = parts.headroom_bytes >= gib(parts.question.policy.headroom_gib) and parts.holds_all
    return "" if fits else "policy"


def _refusals(parts: Parts) -> Iterator[Obstacle]:
    """The conditions that keep vLLM from starting, in its order."""
    question, plan = parts.question, parts.plan
    deployment = question.deployment
    if architecture_problem(parts):
        yield "architecture"
    if (
        not _formats_run(
            question.scheme,
            question.quantization,
            question.kv_dtype,
            deployment.vllm_version,
            deployment.dtype,
            deployment.gpu.compute_capability,
            deployment.args.allow_deprecated_quantization,
        )
        or cache_problem(parts)
        or kernel_problem(parts)
    ):
        yield "format"
    if not length_check(parts).passed:
        yield "max_model_len"
    if not free_is_enough(parts):
        yield "free_memory"
    if parts.loading_bytes > deployment.gpu_memory_bytes - (deployment.used_memory_bytes or 0):
        yield "weights"
    if plan.groups and plan.refusal is not None:
        yield _REFUSALS[plan.refusal]
    if plan.groups and parts.offload_is_refused:
        yield "cpu_offload"
    if not captures(parts) and free_is_enough(parts):
        yield "graph_capture"


@lru_cache(maxsize=1024)
def _formats_run(
    scheme: QuantizationScheme | None,
    quantization: Quantization | None,
    kv_dtype: KVCacheDtype,
    version: Version,
    dtype: str,
    capability: tuple[int, int],
    deprecated_allowed: bool,
) -> bool:
    """Whether the GPU and the version have kernels for these formats."""
    checks = format_checks(
        scheme=scheme,
        quantization=quantization,
        kv_dtype=kv_dtype,
        behaviour=behaviour(version),
        dtype=dtype,
        capability=capability,
        gpu_name="",
        deprecated_allowed=deprecated_allowed,
    )
    return all(check.passed for check in checks)
