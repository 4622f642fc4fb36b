"""What replicas carry while their targets hold: users of one, requests per second of one, and how many replicas a load needs."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import ceil, sqrt

from vram.components import Parts
from vram.models.record import frozen
from vram.models.targets import Lengths, Limit, Targets
from vram_plugins.targets.pace import pace_at, pace_with, surely_finished

_BLOCK = 16  # tokens: the last block of a request is half empty, or less
_Z95 = 1.645
_ROUNDING = 1e-9
_STEPS = 6  # of a bisection
_PLENTY = 64  # replicas that are no bound worth a look


@frozen(kw_only=True)
class Most:
    """The most of something within the targets (0: none), and what stops more."""

    amount: float
    limited_by: Limit


@lru_cache(maxsize=1024)
def users_within(parts: Parts, lengths: Lengths, targets: Targets) -> Most:
    """How many users one replica takes, each of whom asks again when answered. Raises VramError for a GPU of unknown speed."""
    by_cache, by_batch = held_by_cache(parts, lengths), parts.question.deployment.max_num_seqs
    most = min(by_cache, by_batch)
    limit: Limit = "KV cache" if by_cache <= by_batch else "max_num_seqs"
    if most < 1:
        return Most(amount=0, limited_by=limit)

    def broken(users: int) -> Limit | None:
        return pace_with(parts, lengths, targets.percentile, users).broken(targets)

    users = last_that(lambda count: broken(count) is None, most)
    return Most(amount=users, limited_by=limit if users == most else broken(users + 1) or limit)


@lru_cache(maxsize=1024)
def rate_within(parts: Parts, lengths: Lengths, targets: Targets, kept: float = 0.0) -> Most:
    """How many requests per second one replica takes that come at random; `kept` is a rate that it is known to take.

    Raises VramError for a GPU of unknown speed.
    """
    alone = pace_with(parts, lengths, targets.percentile, 1)
    if (first := alone.broken(targets)) is not None or held_by_cache(parts, lengths) < 1:
        return Most(amount=0, limited_by=first or "KV cache")
    low, high = kept, surely_finished(parts, lengths)
    limit: Limit = "requests per second"
    if high <= low or (found := pace_at(parts, lengths, targets.percentile, high).broken(targets)) is None:
        return Most(amount=max(low, high), limited_by=limit)
    for _ in range(_STEPS):
        limit = found or limit
        middle = (low + high) / 2
        found = pace_at(parts, lengths, targets.percentile, middle).broken(targets, middle)
        low, high = (middle, high) if found is None else (low, middle)
    return Most(amount=low, limited_by=found or limit)


def replicas_for(parts: Parts, lengths: Lengths, targets: Targets, users: int, *, most: int) -> int:
    """The fewest replicas, `most` of them at most, that keep the targets for so many users and for the rate; 0 where none do.

    Raises VramError for a GPU of unknown speed.
    """
    if pace_with(parts, lengths, targets.percentile, 1).broken(targets) or held_by_cache(parts, lengths) < 1:
        return 0
    fewest = 1
    if users > 1:
        fewest = ceil(users / users_within(parts, lengths, targets).amount)
    if targets.requests_per_second is not None:
        fewest = _by_rate(parts, lengths, targets, targets.requests_per_second, fewest, most)
    return fewest if 1 <= fewest <= most else 0


def rate_is_kept(parts: Parts, lengths: Lengths, targets: Targets, rate: float) -> bool:
    """Whether one replica keeps the targets at so many requests per second."""
    return pace_at(parts, lengths, targets.percentile, rate).broken(targets, rate * (1 - _ROUNDING)) is None


def held_by_cache(parts: Parts, lengths: Lengths) -> int:
    """How many requests the cache holds at once, the headroom kept: all of the longest, or, of many lengths, so many that 95 of 100
    times they find room together.
    """
    held = parts.most_requests(lengths.longest)
    if not lengths.deviation or held < 1:
        return held
    mean = lengths.prompt_tokens + lengths.gen_tokens + _BLOCK
    for _ in range(4):  # from below: what is found for more per request holds for less, too
        each = min(lengths.longest, ceil(mean + _Z95 * lengths.deviation / sqrt(held)))
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


def _by_rate(parts: Parts, lengths: Lengths, targets: Targets, rate: float, fewest: int, most: int) -> int:
    """The fewest replicas, `fewest` or more, each of which keeps the targets at its share of the rate; beyond `most` 0.

    Each look at a rate is a simulation, so what is finished at most, which is none, comes first, and then the most replicas there may be.
    """
    low = max(fewest, ceil(rate / surely_finished(parts, lengths) - _ROUNDING))
    if low > most or (low < most < _PLENTY and not rate_is_kept(parts, lengths, targets, rate / most)):
        return 0
    if rate_is_kept(parts, lengths, targets, rate / low):
        return low
    high = low
    while high < most:  # the next numbers are likelier than far ones
        low, high = high, min(most, 2 * high)
        if rate_is_kept(parts, lengths, targets, rate / high):
            break
    else:
        return 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if rate_is_kept(parts, lengths, targets, rate / middle) else (middle, high)
    return high
