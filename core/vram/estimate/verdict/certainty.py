"""How sure a verdict is: whether it holds from one end of the interval of the KV pool to the other."""

from __future__ import annotations

from collections.abc import Iterable

from vram.estimate.cache.plan import plan_kv_cache
from vram.estimate.parts import Parts
from vram.models.estimate import Certainty
from vram.models.profile import CUDA_CONTEXT, NCCL_BUFFERS

#: checks whose outcome the size of the pool decides; what else fails is certain
_BY_MEMORY = frozenset({"cache_blocks", "kv_cache_length", "mamba_blocks", "graph_capture"})
_NCCL_FIRST = (0, 11, 0)


def certainty_of(parts: Parts, failed: Iterable[str]) -> Certainty:
    """`likely` to start where it does with the least pool of the 90 % interval, `unlikely` where not even with the most.

    `failed` are the names of the checks that do not pass.
    """
    sure = set(failed) - _BY_MEMORY
    if sure - {"free_memory"}:
        return "unlikely"
    if not sure and starts_at(parts, least=True):
        return "likely"
    return "borderline" if starts_at(parts, least=False) else "unlikely"


def shares_memory(parts: Parts) -> bool:
    """Whether the GPU's memory is the host's, and how much of it is free was neither said nor read off the machine."""
    deployment = parts.question.deployment
    return bool(deployment.gpu.usually_free_bytes) and deployment.used_memory_bytes is None


def free_is_enough(parts: Parts, *, least: bool | None = None) -> bool:
    """Whether what others leave is enough to start, beside what CUDA's context is expected to take, or the most or least of it
    and of NCCL's buffers.
    """
    deployment, needed = parts.question.deployment, parts.overhead.budget_bytes
    free, used = deployment.free_memory_bytes, deployment.used_memory_bytes
    if free is None or deployment.charges_others:
        return True
    if least is None or used is None:
        return free >= needed or (least is False and shares_memory(parts))
    if least:
        several = deployment.tp * deployment.pp > 1 and deployment.vllm_version >= _NCCL_FIRST
        return free - (CUDA_CONTEXT.high - CUDA_CONTEXT.expected) - (NCCL_BUFFERS if several else 0) >= needed
    spared = parts.overhead.activation_peak.expected if deployment.v0_engine else 0  # taken by requests, not the start
    return free + (CUDA_CONTEXT.expected - CUDA_CONTEXT.low) + spared >= needed


def captures(parts: Parts, *, least: bool | None = None) -> bool:
    """Whether the graphs have room in what is expected to be left for them, or at its lower or upper end."""
    room = parts.overhead.after_capture
    left = room.expected if least is None else room.low if least else room.high
    return left >= 0 or not parts.overhead.cuda_graphs.high


def starts_at(parts: Parts, *, least: bool) -> bool:
    """Whether vLLM starts with the pool, what is free, and the room for graphs, at the lower or upper end of their intervals."""
    if not captures(parts, least=least) or not free_is_enough(parts, least=least):
        return False
    pool = parts.cache_bytes
    if not parts.plan.groups or pool.low == pool.high:
        return parts.plan.refusal is None or not parts.plan.groups
    end = (pool.low if least else pool.high) + max(rank.weights_bytes for rank in parts.weights)
    pools = tuple(max(0, end - rank.weights_bytes) for rank in parts.weights)
    return plan_kv_cache(parts.cache_ranks, pools, parts.context).refusal is None
