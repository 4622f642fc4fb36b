"""vLLM's budget and what it leaves for the KV cache."""

from __future__ import annotations

import math

from vram.models.interval import Interval, Provenance, weaker
from vram.vllm.versions import Behaviour


def budget_bytes(gpu_memory_bytes: int, utilization: float, behaviour: Behaviour) -> int:
    """vLLM's requested memory: total × utilization, rounded up since 0.14.

    Source: `v1/worker/utils.py:request_memory` (0.33.0); plain product to 0.13.
    """
    product = gpu_memory_bytes * utilization
    return math.ceil(product) if behaviour.version >= (0, 14, 0) else int(product)


def around(expected: int, spread: float, provenance: Provenance) -> Interval:
    """`expected` bytes, right up to a share of `spread` in both directions."""
    half = int(expected * spread)
    return Interval(low=expected - half, expected=expected, high=expected + half, provenance=provenance)


def available_kv_cache(budget: int, *parts: Interval) -> Interval:
    """budget − every charged part, weights among them; negative where even those do not fit.

    The parts vary independently, so their distances from the expected value are added as squares: the ends are not
    all reached at once.
    """
    expected = budget - sum(part.expected for part in parts)
    below = math.hypot(*(part.high - part.expected for part in parts))
    above = math.hypot(*(part.expected - part.low for part in parts))
    return Interval(
        low=math.floor(expected - below),
        expected=expected,
        high=math.ceil(expected + above),
        provenance=weaker("derived", *(part.provenance for part in parts)),
    )
