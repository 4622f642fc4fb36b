"""What the plots of a curve share: where its points lie, and numbers as people read them."""

from __future__ import annotations

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


def figure(value: float) -> str:
    """A number as people read it."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"
