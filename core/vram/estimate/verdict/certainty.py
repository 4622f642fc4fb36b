"""How sure a verdict is: whether it holds from one end of the interval of the KV pool to the other."""

from __future__ import annotations

from collections.abc import Iterable

from vram.estimate.cache.plan import plan_kv_cache
from vram.estimate.parts import Parts
from vram.models.estimate import Certainty, Check

#: checks whose outcome the size of the pool decides; what else fails is certain
_BY_MEMORY = frozenset({"cache_blocks", "kv_cache_length", "mamba_blocks", "graph_capture"})


def certainty_of(parts: Parts, checks: Iterable[Check]) -> Certainty:
    """`likely` to start where it does with the least pool of the 90 % interval, `unlikely` where not even with the most."""
    if any(not check.passed and check.name not in _BY_MEMORY for check in checks):
        return "unlikely"
    if not _starts(parts, low=False):
        return "unlikely"
    return "likely" if _starts(parts, low=True) else "borderline"


def _starts(parts: Parts, *, low: bool) -> bool:
    """Whether vLLM starts with the pool, and the room for graphs, at one end of their intervals."""
    pool, room = parts.cache_bytes, parts.overhead.after_capture
    if (room.low if low else room.high) < 0 and not parts.question.deployment.args.enforce_eager:
        return False
    shift = (pool.low if low else pool.high) - pool.expected
    pools = tuple(max(0, size + shift) for size in parts.pools)
    return not parts.plan.groups or plan_kv_cache(parts.cache_ranks, pools, parts.context).refusal is None
