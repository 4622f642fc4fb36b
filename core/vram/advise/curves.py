"""From one question to the curves and the field around it. Every point is a whole answer of the same arithmetic."""

from __future__ import annotations

from vram.ask.limits import limits_of
from vram.ask.resolve import parts_of
from vram.estimate.parts import Parts, compute
from vram.estimate.question import Question
from vram.estimate.verdict.cell import most_requests
from vram.models.curves import Column, Curve, Field, Plots, Point
from vram.units import gib

_POINTS = 32
_ROWS = 13
_SHORTEST = 1024
_MOST_USERS = 4096


def plots_of(question: Question) -> Plots:
    """The curves through the asked context and users, and the field around them. Raises VramError."""
    asked = compute(question)
    limits = limits_of(asked)
    context, users = asked.plan.max_model_len, question.deployment.concurrency
    longest = max(question.spec.derived_max_model_len, context)
    lengths = _with(_even(longest, _POINTS), context, limits.max_context_at_concurrency)
    at_lengths = [parts for length in lengths if (parts := parts_of(question, max_model_len=length)) is not None]
    most = min(max(2 * users, round(1.5 * limits.max_concurrency_at_context), 8), max(_MOST_USERS, 2 * users))
    counts = _with(_even(most, _POINTS), users, min(limits.max_concurrency_at_context, most))
    budget = asked.overhead.budget_bytes
    usable = budget - gib(question.policy.headroom_gib)
    return Plots(
        by_context=Curve(
            axis="context",
            points=tuple(
                _point(parts, parts.plan.max_model_len, users, parts.plan.max_model_len) for parts in at_lengths
            ),
            budget_bytes=budget,
            usable_bytes=usable,
            asked=context,
            limit=limits.max_context_at_concurrency,
        ),
        by_users=Curve(
            axis="users",
            points=tuple(_point(asked, context, count, count) for count in counts),
            budget_bytes=budget,
            usable_bytes=usable,
            asked=users,
            limit=limits.max_concurrency_at_context,
        ),
        field=_field(question, longest, context, users) if asked.plan.groups else None,
    )


def _field(question: Question, longest: int, context: int, users: int) -> Field:
    counts = tuple(2**power for power in range(_ROWS))
    columns = []
    for length in _lengths(longest):
        parts = parts_of(question, max_model_len=length)
        if parts is None:
            continue
        base = parts.headroom_bytes + parts.required(length, users)
        most = most_requests(parts)
        free = tuple(base - parts.required(length, count) for count in counts)
        columns.append(Column(context=length, headroom_bytes=free, most_users=most))
    return Field(
        users=counts,
        columns=tuple(columns),
        headroom_bytes=gib(question.policy.headroom_gib),
        asked_context=context,
        asked_users=users,
    )


def _point(parts: Parts, context: int, users: int, x: int) -> Point:
    deployment = parts.question.deployment
    asked = parts.required(parts.plan.max_model_len, deployment.concurrency)
    used = parts.overhead.budget_bytes - parts.headroom_bytes - asked
    return Point(
        x=x,
        weights_bytes=parts.weights_bytes,
        overhead_bytes=used - parts.weights_bytes,
        kv_cache_bytes=parts.required(context, users),
    )


def _even(most: int, count: int) -> list[int]:
    return sorted({max(1, most * step // count) for step in range(count + 1)})


def _lengths(longest: int) -> list[int]:
    """Lengths as people know them, powers of two and what lies halfway between them, up to the longest itself."""
    first = 1 << min(_SHORTEST, max(1, longest // 16)).bit_length() - 1
    halves = (first * step >> 1 for power in range(longest.bit_length()) for step in (2 << power, 3 << power))
    return sorted({*(length for length in halves if length < longest), longest})


def _with(values: list[int], *more: int) -> list[int]:
    return sorted({*values, *(value for value in more if value > 0)})
