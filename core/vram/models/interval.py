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


def weaker(*provenances: Provenance) -> Provenance:
    """The least certain of some provenances."""
    return max(provenances, key=_RANK.__getitem__)
