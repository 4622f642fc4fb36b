"""How many blocks a request of a length needs, and the longest request that a number of blocks holds.

A need is a sum of terms; each is a step function of the length, so that both questions are a few divisions.
"""

from __future__ import annotations

from collections.abc import Iterable

from vram.estimate.cache.context import CacheContext
from vram.models.cache import PageSpec
from vram.models.parameters import ceil_div

#: (weight, tokens per step, tokens after which it stops growing, blocks besides)
Term = tuple[int, int, int, int]

_UNBOUNDED = 2**62


def term(spec: PageSpec, context: CacheContext, weight: int = 1) -> Term:
    """The blocks of one layer (or one group like it): `max_memory_usage_bytes` of `kv_cache_interface.py`.

    full: ceil(L / (block · dcp)); window: ceil(min(W - 1 + in flight, L) / block) + 1; chunk: ceil(min(chunk + in
    flight, L) / block); encoder: ceil(encoder tokens / block); state: a fixed number.
    """
    block = spec.block_size
    if spec.span == "full":
        return weight, block * context.decode_context_parallel_size, _UNBOUNDED, 0
    if spec.span == "window":
        kept = spec.window - 1 + context.in_flight_tokens
        return weight, block, kept, 1
    if spec.span == "chunk":
        return weight, block, spec.window + context.in_flight_tokens, 0
    if spec.span == "encoder":
        return weight, 1, 0, ceil_div(context.encoder_tokens, block)
    return weight, max(1, block), _UNBOUNDED if spec.state_per_block else 0, spec.state_blocks


def merged(terms: Iterable[Term]) -> tuple[Term, ...]:
    """Equal terms added up."""
    weights: dict[tuple[int, int, int], int] = {}
    for weight, unit, cap, extra in terms:
        key = (unit, cap, extra)
        weights[key] = weights.get(key, 0) + weight
    return tuple((weight, *key) for key, weight in weights.items())


def needed(terms: tuple[Term, ...], length: int) -> int:
    """The sum of all terms for a request of `length` tokens."""
    total = 0
    for weight, unit, cap, extra in terms:
        total += weight * (-(-(length if length < cap else cap) // unit) + extra)
    return total


def longest(terms: tuple[Term, ...], budget: int, upper: int) -> int:
    """The largest length up to `upper` whose need is at most `budget`; 0 where not even one token fits.

    `_estimate_max_model_len_from_groups` searches the integers for the same number.
    """
    if upper < 1 or needed(terms, 1) > budget:
        return 0
    if needed(terms, upper) <= budget:
        return upper
    if len(terms) == 1:
        weight, unit, _, extra = terms[0]
        return min(upper, (budget // weight - extra) * unit)
    low, high = _bracket(terms, budget, upper)
    while high - low > 1:
        middle = (low + high) // 2
        if needed(terms, middle) <= budget:
            low = middle
        else:
            high = middle
    return low


def _bracket(terms: tuple[Term, ...], budget: int, upper: int) -> tuple[int, int]:
    """A length that fits and one that does not, closer than 1 and `upper` where one term alone keeps growing."""
    growing = [part for part in terms if part[2] == _UNBOUNDED]
    bounded = [part for part in terms if part[2] != _UNBOUNDED]
    if len(growing) != 1:
        return 1, upper
    weight, unit, _, extra = growing[0]
    ceiling = max((part[2] for part in bounded), default=1)
    # beyond the largest bound the others are constant; at it the growing term takes what they leave
    room = (budget - needed(tuple(bounded), ceiling)) // weight - extra
    if room * unit >= ceiling:
        return min(room * unit, upper - 1), min(room * unit + 1, upper)
    return 1, min(ceiling, upper)
