"""How sure a verdict is: whether it holds from one end of the interval of the KV pool to the other."""

from __future__ import annotations

from collections.abc import Iterable

from vram.estimate.cache.plan import plan_kv_cache
from vram.estimate.parts import Parts
from vram.models.estimate import Certainty, Check
from vram.models.profile import CUDA_CONTEXT
from vram.models.record import evolve
from vram.units import GIB

#: checks whose outcome the size of the pool decides; what else fails is certain
_BY_MEMORY = frozenset({"cache_blocks", "kv_cache_length", "mamba_blocks", "graph_capture"})
#: NCCL's first buffers come before vLLM looks at what is free, since 0.11 (`gpu_worker.py:init_device`); the most that was seen
_NCCL, _NCCL_FIRST = GIB, (0, 11, 0)


def certainty_of(parts: Parts, checks: Iterable[Check]) -> Certainty:
    """`likely` to start where it does with the least pool of the 90 % interval, `unlikely` where not even with the most."""
    sure = {check.name for check in checks if not check.passed} - _BY_MEMORY
    if sure - {"free_memory"} or not _starts(parts, low=False):
        return "unlikely"
    return "likely" if not sure and _starts(parts, low=True) else "borderline"


def shares_memory(parts: Parts) -> bool:
    """Whether the GPU's memory is the host's, and how much of it is free was neither said nor read off the machine."""
    deployment = parts.question.deployment
    return bool(deployment.gpu.usually_free_bytes) and deployment.used_memory_bytes is None


def free_is_enough(parts: Parts, *, least: bool) -> bool:
    """Whether what others leave is enough to start, with the most or the least that CUDA and NCCL take before vLLM looks."""
    deployment, needed = parts.question.deployment, parts.free_needed_bytes
    if deployment.free_memory_bytes is None or needed is None:
        return True
    if shares_memory(parts):
        return not least or deployment.free_memory_bytes >= needed
    if deployment.used_memory_bytes is None:
        return deployment.free_memory_bytes >= needed
    several = deployment.tp * deployment.pp > 1 and deployment.vllm_version >= _NCCL_FIRST
    more = CUDA_CONTEXT.high + (_NCCL if several else 0) if least else CUDA_CONTEXT.low
    spared = (
        parts.overhead.activation_peak.expected if deployment.v0_engine and not least else 0
    )  # taken by requests, not the start
    return deployment.free_memory_bytes + CUDA_CONTEXT.expected - more >= needed - spared


def with_pool(parts: Parts, *, least: bool) -> Parts:
    """The same parts with the pool at the lower or upper end of its interval."""
    pool = parts.cache_bytes
    if pool.low == pool.high:
        return parts
    heaviest = max(rank.weights_bytes for rank in parts.weights)
    end = (pool.low if least else pool.high) + heaviest
    pools = tuple(max(0, end - rank.weights_bytes) for rank in parts.weights)
    return evolve(parts, pools=pools, plan=plan_kv_cache(parts.cache_ranks, pools, parts.context))


def captures(parts: Parts, *, least: bool) -> bool:
    """Whether there is room for the budget and, beside it, for graphs, at the lower or upper end of what is left for them."""
    return free_is_enough(parts, least=least) and graphs_fit(parts, least=least)


def graphs_fit(parts: Parts, *, least: bool) -> bool:
    """Whether the graphs have room, at the lower or upper end of what is left for them."""
    room = parts.overhead.after_capture
    return (room.low if least else room.high) >= 0 or parts.question.deployment.args.enforce_eager


def _starts(parts: Parts, *, low: bool) -> bool:
    """Whether vLLM starts with the pool, and the room for graphs, at one end of their intervals."""
    if not captures(parts, least=low):
        return False
    return not parts.plan.groups or with_pool(parts, least=low).plan.refusal is None
