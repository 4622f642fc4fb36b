"""What one server carries while its targets hold: requests at once, requests per second, and what stops one more."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import ceil, sqrt

from vram.components import Parts
from vram.models.record import frozen
from vram.models.targets import Lengths, Limit, Targets
from vram_plugins.targets.arrivals import at_once, mean_within
from vram_plugins.targets.pace import Pace, pace_of

_BLOCK = 16  # tokens: the last block of a request is half empty, or less
_Z = {50: 0.0, 95: 1.645}
_ROUNDING = 1e-9


@frozen(kw_only=True)
class Capacity:
    """`users` are the most requests at once within the targets (0: not even one), `mean` how many are in the server then when
    they arrive at random, `requests_per_s` what it surely finishes of them.
    """

    users: int
    mean: float
    requests_per_s: float
    limited_by: Limit


def capacity_of(parts: Parts, lengths: Lengths, targets: Targets, *, by_cache: int, by_batch: int) -> Capacity:
    """The capacity of a server whose cache holds `by_cache` requests and whose max_num_seqs is `by_batch`.

    Raises VramError for a GPU whose speed is not known.
    """
    most = min(by_cache, by_batch)
    limit: Limit = "KV cache" if by_cache <= by_batch else "max_num_seqs"
    if most < 1:
        return Capacity(users=0, mean=0.0, requests_per_s=0.0, limited_by=limit)
    pace = partial(pace_of, parts, lengths, targets.percentile)
    users = last_that(lambda count: pace(count).keeps(targets), most)
    if users < most:
        limit = (
            "time to first token" if pace(users + 1).too_slow(targets) == "time to first token" else "time per token"
        )
    if users == 0:
        return Capacity(users=0, mean=0.0, requests_per_s=0.0, limited_by=limit)
    mean = mean_within(users, targets.percentile)
    return Capacity(users=users, mean=mean, requests_per_s=_rate(mean, users, pace), limited_by=limit)


def users_for(rate: float, capacity: Capacity, pace: Callable[[int], Pace], percentile: int) -> tuple[float, int]:
    """(requests in a server on average, requests at once to judge it with) when `rate` of them arrive per second; no more than its
    capacity.
    """
    low, high = 0.0, capacity.mean
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (low, middle) if _rate(middle, capacity.users, pace) >= rate else (middle, high)
    return high, min(capacity.users, at_once(high, percentile))


def held_by_cache(parts: Parts, lengths: Lengths) -> int:
    """How many requests the cache holds at once, the headroom kept: all of the longest, or, of many lengths, so many that 95 of 100
    times they find room together.
    """
    held = parts.most_requests(lengths.longest)
    if not lengths.deviation or held < 1:
        return held
    mean = lengths.prompt_tokens + lengths.gen_tokens + _BLOCK
    for _ in range(4):  # from below: what is found for more per request holds for less, too
        each = min(lengths.longest, ceil(mean + _Z[95] * lengths.deviation / sqrt(held)))
        held = max(held, parts.most_requests(each))
    return held


def last_that(keeps: Callable[[int], bool], most: int) -> int:
    """The largest of 1 … `most` that keeps what the smaller ones keep; 0 where 1 does not.

    Smaller ones are looked at in steps of an eighth, since what is kept may be lost and found again between two ways in which prompts
    meet.
    """
    if not keeps(1):
        return 0
    low, high = 1, 2
    while high <= most and keeps(high):
        low, high = high, 2 * high
    high = min(high, most + 1)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    count = 1
    while count < low:
        if not keeps(count):
            return last_that(keeps, count - 1)
        count += 1 + count // 8
    return low


def replicas_for(targets: Targets, users: int, capacity: Capacity) -> int:
    """How many of such replicas carry what is asked; 0 where none does."""
    if capacity.users < 1 or capacity.requests_per_s <= 0:
        return 0
    by_rate = ceil((targets.requests_per_second or 0.0) / capacity.requests_per_s - _ROUNDING)
    return max(1, by_rate, ceil(users / capacity.users))


def _rate(mean: float, most: int, pace: Callable[[int], Pace]) -> float:
    """Requests per second with `mean` of them in a server: Little's law, with the time of a request that meets as many."""
    if mean <= 0:
        return 0.0
    met = max(1, min(most, 1 + ceil(mean)))
    return mean * pace(met).requests_per_s / met
