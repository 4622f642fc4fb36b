"""How many requests are in a server at once when they arrive at random.

By Little's law their mean number is their rate × the time each is in it. With Poisson arrivals one that comes finds n others with
probability e^-mean · mean^n / n! (exact for a server whose time does not depend on n, M/G/∞); itself comes on top.
"""

from __future__ import annotations

from math import exp, sqrt

_MANY = 400  # e^-mean is no number for long; beyond this the normal curve is as good
_Z95 = 1.645


def at_once(mean: float, percentile: int) -> int:
    """The number of requests, itself among them, that `percentile` per cent of arriving requests do not exceed."""
    if mean > _MANY:
        return 1 + round(mean + (_Z95 * sqrt(mean) if percentile >= 95 else 0.0))
    found, chance = 0, exp(-mean)
    sum_ = chance
    while sum_ < percentile / 100:
        found += 1
        chance *= mean / found
        sum_ += chance
    return 1 + found
