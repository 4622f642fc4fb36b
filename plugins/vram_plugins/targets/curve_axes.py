"""What the plots of a curve share: where its points lie, and marks of the axes."""

from __future__ import annotations

import math

from vram.models.record import frozen
from vram.models.targets import SpeedCurve


@frozen(kw_only=True)
class Spot:
    """A point of the plot: tokens per second of one user (`x`) and of all replicas (`y`), with the requests at once in each."""

    x: float
    y: float
    users: int
    chosen: bool


def spots_of(curve: SpeedCurve) -> tuple[Spot, ...]:
    """Every point that generates tokens, as expected; all replicas together."""
    return tuple(
        Spot(
            x=point.tokens_per_s_per_user.expected,
            y=point.output_tokens_per_s.expected * curve.replicas,
            users=point.users,
            chosen=point.chosen,
        )
        for point in curve.points
        if point.tokens_per_s_per_user.expected > 0
    )


def marks_up_to(high: float) -> list[float]:
    """0 and round numbers up to `high`, about five."""
    if high <= 0:
        return [0.0]
    raw = high / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * (1 - 1e-9))
    return [step * index for index in range(int(high / step + 1e-9) + 1)]


def figure(value: float) -> str:
    """A number as people read it."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
