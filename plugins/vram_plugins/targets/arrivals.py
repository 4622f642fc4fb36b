"""How many requests a request meets: Poisson arrivals at a server, whose number at once is Poisson, too.

With arrivals at random and mean number `mean` in the server (Little's law: rate × time in it), a request that arrives finds n others with
probability e^-mean · mean^n / n! (PASTA; exact for a server whose time does not depend on n, M/G/∞). Itself comes on top.
"""

from __future__ import annotations

from functools import lru_cache
from math import exp, log, sqrt

_STEPS = 60
_MANY = 400  # e^-mean is no number for long; beyond this the normal curve is as good
_Z95 = 1.645


def at_once(mean: float, percentile: int) -> int:
    """The number of requests, itself among them, that `percentile` per cent of arriving requests do not exceed."""
    if mean > _MANY:
        return 1 + round(mean + (_Z95 * sqrt(mean) if percentile >= 95 else 0.0))
    chance, found, sum_ = exp(-mean), 0, exp(-mean)
    while sum_ < percentile / 100:
        found += 1
        chance *= mean / found
        sum_ += chance
    return 1 + found


@lru_cache(maxsize=4096)
def mean_within(most: int, percentile: int) -> float:
    """The largest mean number of requests at which no more than `most` are met at once."""
    low, high = 0.0, float(most)
    if most == 1:
        return -log(percentile / 100)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if at_once(middle, percentile) <= most else (low, middle)
    return low
