"""A number that is never bare."""

from __future__ import annotations

from typing import Literal

from vram.models.record import frozen

Provenance = Literal["derived", "measured", "assumed"]
_RANK = {"derived": 0, "measured": 1, "assumed": 2}


@frozen(kw_only=True)
class Interval:
    """`low` ≤ `expected` ≤ `high`, in bytes, and how it is known."""

    low: int
    expected: int
    high: int
    provenance: Provenance = "derived"

    @classmethod
    def exact(cls, value: int, provenance: Provenance = "derived") -> Interval:
        """A value without spread."""
        return cls(low=value, expected=value, high=value, provenance=provenance)

    def __add__(self, other: Interval) -> Interval:
        """Both together: ends added (they may be wrong in the same direction), the weaker provenance."""
        return Interval(
            low=self.low + other.low,
            expected=self.expected + other.expected,
            high=self.high + other.high,
            provenance=weaker(self.provenance, other.provenance),
        )

    def times(self, factor: float) -> Interval:
        """So many times as much."""
        low, expected, high = (int(each * factor) for each in (self.low, self.expected, self.high))
        return Interval(low=low, expected=expected, high=high, provenance=self.provenance)

    def widened(self, factor: float) -> Interval:
        """Around the same expected value, the ends `factor` times as far from it."""
        below, above = (self.expected - self.low) * factor, (self.high - self.expected) * factor
        return Interval(
            low=int(self.expected - below),
            expected=self.expected,
            high=int(self.expected + above),
            provenance=self.provenance,
        )


def weaker(*provenances: Provenance) -> Provenance:
    """The least certain of some provenances."""
    return max(provenances, key=_RANK.__getitem__)
