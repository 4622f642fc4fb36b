"""How sure a verdict is: whether it holds from one end of the interval of the KV pool to the other."""

from __future__ import annotations

from collections.abc import Iterable

from vram.estimate.cache.plan import plan_kv_cache
from vram.estimate.parts import Parts
from vram.models.estimate import Certainty, Check
from vram.models.record import evolve

#: checks whose outcome the size of the pool decides; what else fails is certain
_BY_MEMORY = frozenset({"cache_blocks", "kv_cache_length", "mamba_blocks", "graph_capture"})


def certainty_of(parts: Parts, checks: Iterable[Check]) -> Certainty:
    """`likely` to start where it does with the least pool of the 90 % interval, `unlikely` where not even with the most."""
    sure = {check.name for check in checks if not check.passed} - _BY_MEMORY
    if sure - {"free_memory"} or (sure and not _shares_memory(parts)):
        return "unlikely"
    if not _starts(parts, low=False):
        return "unlikely"
    return "likely" if not sure and _starts(parts, low=True) else "borderline"


def _shares_memory(parts: Parts) -> bool:
    """Whether the GPU's memory is the host's, and how much of it is free was not read off the machine."""
    gpu, free = parts.question.deployment.gpu, parts.question.deployment.free_memory_bytes
    usual = gpu.usually_free_bytes
    return bool(usual) and free == parts.question.deployment.gpu_memory_bytes - (gpu.memory_bytes - (usual or 0))


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
    """Whether the graphs have room, at the lower or upper end of what is left for them."""
    room = parts.overhead.after_capture
    return (room.low if least else room.high) >= 0 or not parts.overhead.cuda_graphs.high


def _starts(parts: Parts, *, low: bool) -> bool:
    """Whether vLLM starts with the pool, and the room for graphs, at one end of their intervals."""
    if not captures(parts, least=low):
        return False
    return not parts.plan.groups or with_pool(parts, least=low).plan.refusal is None
