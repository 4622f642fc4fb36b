"""The same plots in plain characters, for the terminal and for logs: no colour is needed to read them."""

from __future__ import annotations

from collections.abc import Iterable

from vram.models.curves import Curve, Field, Plots
from vram.models.estimate import Estimate
from vram.report.axes import gibs, short
from vram.report.segments import bars_of
from vram.units import GIB

_WIDTH = 60
_MARGIN = 10  # for the scale at the left, and the mark of a budget that is reached
_ROWS = 12
_FILLS = {"weights": "W", "activation": "a", "graphs": "g", "nontorch": "n", "kv": "K", "pool": "k"}


def plots_text(estimate: Estimate, plots: Plots, room: int | None = None) -> str:
    """All plots, one below the other; in a terminal of so many characters no wider than that."""
    width = _WIDTH if room is None else max(10, min(_WIDTH, room - _MARGIN))
    parts = [breakdown_text(estimate, width), curve_text(plots.by_context, width), curve_text(plots.by_users, width)]
    if plots.field is not None and plots.field.columns:
        parts.append(field_text(plots.field, width))
    return "\n\n".join(parts)


def breakdown_text(estimate: Estimate, width: int = _WIDTH) -> str:
    """A bar per GPU with the budget as `|`."""
    bars, budget = bars_of(estimate), estimate.memory.budget_bytes
    total = max(estimate.deployment.gpu_memory_bytes, *(bar.total for bar in bars), 1)
    lines = [f"Memory per GPU: each character is {total / width / GIB:.2f} GiB, | is the budget of {gibs(budget)} GiB"]
    for bar in bars:
        drawn, start = "", 0
        for segment in bar.segments:
            start += segment.bytes
            drawn += _FILLS[segment.key] * (round(start / total * width) - len(drawn))
        drawn = drawn.ljust(width, ".")
        at = min(width, round(budget / total * width))
        lines.append(f"{bar.name:>8} {drawn[:at]}|{drawn[at:]}")
    names = {segment.key: segment.name for bar in bars for segment in bar.segments}
    lines.append(" " * 9 + ", ".join(f"{_FILLS[key]} {name}" for key, name in names.items()))
    return "\n".join(lines)


def curve_text(curve: Curve, width: int = _WIDTH) -> str:
    """Columns of weights, overhead and KV cache; the budget as a line, `^` below what was asked."""
    words = {"context": "tokens per request", "users": "requests at once"}[curve.axis]
    top = min(2.2 * curve.budget_bytes, 1.1 * max(curve.budget_bytes, *(point.total_bytes for point in curve.points)))
    right = max(point.x for point in curve.points)
    columns = [_nearest(curve, right * (index + 1) / width) for index in range(width)]
    budget_row = round(curve.budget_bytes / top * _ROWS)
    lines = [f"GiB per GPU against {words} (fits up to {curve.limit:,}; - is the budget)"]
    for row in range(_ROWS, 0, -1):
        level = top * (row - 0.5) / _ROWS
        drawn = "".join(_letter(curve, column, level, row == budget_row) for column in columns)
        lines.append(f"{gibs(top * row / _ROWS):>8} {drawn}")
    at = min(width - 1, max(0, round(curve.asked / right * width) - 1))
    lines.append(" " * (9 + at) + "^")
    lines.append(f"{'0':>9}{'W weights, o overhead, K KV cache':^{width - 8}}{short(right):>8}")
    return "\n".join(lines)


def field_text(field: Field, width: int = _WIDTH) -> str:
    """`#` fits, `+` fits with little to spare, `.` does not; `@` is what was asked."""
    lines = ["Requests at once (up) × tokens per request (right): # fits, + fits tightly, . does not, @ asked"]
    nearest = min(field.columns, key=lambda column: abs(column.context - field.asked_context))
    row_asked = max((i for i, users in enumerate(field.users) if users <= field.asked_users), default=0)
    each = 2 if 2 * len(field.columns) <= width else 1
    for index in range(len(field.users) - 1, -1, -1):
        drawn = ""
        for column in field.columns:
            fits = field.users[index] <= column.most_users
            tight = column.headroom_bytes[index] < 4 * max(field.headroom_bytes, GIB)
            mark = "@" if column is nearest and index == row_asked else ("+" if tight else "#") if fits else "."
            drawn += mark * each
        lines.append(f"{field.users[index]:>8,} {drawn}")
    lines.append(" " * 9 + "".join(f"{short(column.context):<8}" for column in field.columns[:: 8 // each]))
    return "\n".join(lines)


def _nearest(curve: Curve, x: float) -> int:
    return min(range(len(curve.points)), key=lambda index: abs(curve.points[index].x - x))


def _letter(curve: Curve, index: int, level: float, at_budget: bool) -> str:
    point = curve.points[index]
    bounds: Iterable[tuple[str, int]] = (
        ("W", point.weights_bytes),
        ("o", point.weights_bytes + point.overhead_bytes),
        ("K", point.total_bytes),
    )
    inside = next((letter for letter, bound in bounds if level <= bound), " ")
    return "-" if at_budget and inside == " " else inside
