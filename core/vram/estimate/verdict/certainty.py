"""How sure a verdict is: whether it holds from one end of the interval of the KV pool to the other."""

from __future__ import annotations

from collections.abc import Iterable

from vram.estimate.cache.plan import plan_kv_cache
from vram.estimate.parts import Parts
from vram.models.estimate import Certainty

#: checks whose outcome the size of the pool decides; what else fails is certain
_BY_MEMORY = frozenset({"cache_blocks", "kv_cache_length", "mamba_blocks", "graph_capture"})


def certainty_of(parts: Parts, failed: Iterable[str]) -> Certainty:
    """`likely` to start where it does with the least pool of the 90 % interval, `unlikely` where not even with the most.

    `failed` are the names of the checks that do not pass.
    """
    sure = set(failed) - _BY_MEMORY
    if sure - {"free_memory"} or (sure and not _shares_memory(parts)):
        return "unlikely"
    if not sure and starts_at(parts, least=True):
        return "likely"
    return "borderline" if starts_at(parts, least=False) else "unlikely"


def _shares_memory(parts: Parts) -> bool:
    """Whether the GPU's memory is the host's, and how much of it is free was not read off the machine."""
    gpu, free = parts.question.deployment.gpu, parts.question.deployment.free_memory_bytes
    usual = gpu.usually_free_bytes
    return bool(usual) and free == parts.question.deployment.gpu_memory_bytes - (gpu.memory_bytes - (usual or 0))


def captures(parts: Parts, *, least: bool | None = None) -> bool:
    """Whether the graphs have room in what is expected to be left for them, or at its lower or upper end."""
    room = parts.overhead.after_capture
    left = room.expected if least is None else room.low if least else room.high
    return left >= 0 or not parts.overhead.cuda_graphs.high


def starts_at(parts: Parts, *, least: bool) -> bool:
    """Whether vLLM starts with the pool, and the room for graphs, at the lower or upper end of their intervals."""
    if not captures(parts, least=least):
        return False
    pool = parts.cache_bytes
    if not parts.plan.groups or pool.low == pool.high:
        return parts.plan.refusal is None or not parts.plan.groups
    end = (pool.low if least else pool.high) + max(rank.weights_bytes for rank in parts.weights)
    pools = tuple(max(0, end - rank.weights_bytes) for rank in parts.weights)
    return plan_kv_cache(parts.cache_ranks, pools, parts.context).refusal is None
