"""What plots show: memory along a line of questions, and over a field of them."""

from __future__ import annotations

from typing import Literal

from vram.models.record import frozen

Axis = Literal["context", "users"]


@frozen(kw_only=True)
class Point:
    """One question of a curve. `x` is tokens or requests, the rest bytes per GPU of the most loaded rank."""

    x: int
    weights_bytes: int
    overhead_bytes: int
    kv_cache_bytes: int

    @property
    def total_bytes(self) -> int:
        """Everything that is needed, as the headroom is reckoned."""
        return self.weights_bytes + self.overhead_bytes + self.kv_cache_bytes


@frozen(kw_only=True)
class Curve:
    """Memory needed along an axis, against the budget.

    `usable_bytes` is the budget without the policy's headroom, `asked` what the question asked for, `limit` the last
    value that fits (0: none).
    """

    axis: Axis
    points: tuple[Point, ...]
    budget_bytes: int
    usable_bytes: int
    asked: int
    limit: int


@frozen(kw_only=True)
class Column:
    """One context length of a field: the free bytes at each number of users, and the most users that fit."""

    context: int
    headroom_bytes: tuple[int, ...]
    most_users: int


@frozen(kw_only=True)
class Field:
    """Context × users. `users` belong to `Column.headroom_bytes`, in order; `headroom_bytes` is the policy's."""

    users: tuple[int, ...]
    columns: tuple[Column, ...]
    headroom_bytes: int
    asked_context: int
    asked_users: int


@frozen(kw_only=True)
class Plots:
    """What is drawn beside an estimate; `field` is None for a model without a KV cache."""

    by_context: Curve
    by_users: Curve
    field: Field | None
