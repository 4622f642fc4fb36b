"""Axes of a plot: where values lie, round marks, short numbers."""

from __future__ import annotations

import math

from vram.models.record import frozen
from vram.units import GIB


@frozen(kw_only=True)
class Scale:
    """Values from `low` to `high` on pixels from `start` to `end`; logarithmic where `log`, beyond the ends where not `clamp`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    clamp: bool = True

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high, value = (math.log(max(v, 1e-9)) if self.log else v for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.0
        share = min(1.0, max(0.0, share)) if self.clamp else share
        return self.start + (self.end - self.start) * share


def round_marks(high: float) -> list[float]:
    """0 and round values up to `high`, about five of them at most."""
    if high <= 0:
        return [0.0]
    raw = high / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    return [step * index for index in range(int(high / step + 1e-9) + 1)]


def binary_marks(high: float) -> list[float]:
    """0 and multiples of a power of two up to `high`: context lengths are such."""
    step = 2 ** max(0, math.ceil(math.log2(max(high, 1) / 6)))
    return [float(step * index) for index in range(int(high / step + 1e-9) + 1)]


def doubling_marks(low: float, high: float, most: int) -> list[float]:
    """Powers of two from `low` to `high`, at most so many: every second, fourth ... where they are more."""
    powers = range(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)
    step = max(1, math.ceil(len(powers) / most))
    return [2.0**power for power in powers if not (power - powers[0]) % step]


def short(value: float) -> str:
    """A count in few letters: 512, 8K, 128K, 1M (of 1024)."""
    for unit, size in (("M", 2**20), ("K", 2**10)):
        if value >= size:
            return f"{value / size:.1f}".rstrip("0").rstrip(".") + unit
    return f"{value:.0f}"


def gibs(value: float) -> str:
    """Bytes as GiB without the unit."""
    return f"{value / GIB:.1f}" if abs(value) < 10 * GIB else f"{value / GIB:.0f}"
