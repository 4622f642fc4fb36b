"""Plots as SVG of our own: no script, no request, colours from the page's style sheet (`report.css`)."""

from __future__ import annotations

from collections.abc import Iterable

from vram.models.curves import Curve, Field
from vram.models.estimate import Estimate
from vram.models.record import evolve
from vram.report.axes import Scale, binary_marks, gibs, round_marks, short
from vram.report.markup import Markup, tag
from vram.report.segments import bars_of
from vram.units import format_gib

_WIDTH = 640
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 16, 22, 34
_BAR_HEIGHT, _BAR_GAP = 34, 18
_HEIGHT = 260


def breakdown_chart(estimate: Estimate) -> Markup:
    """A stacked bar per GPU against the budget and the GPU's memory."""
    bars, budget = bars_of(estimate), estimate.memory.budget_bytes
    total = estimate.deployment.gpu_memory_bytes
    scale = Scale(low=0, high=max(total, *(bar.total for bar in bars)) * 1.01, start=8, end=_WIDTH - 8)
    first = _TOP + (14 if len(bars) > 1 else 0)
    height = first + len(bars) * (_BAR_HEIGHT + _BAR_GAP) + 20
    parts: list[Markup] = []
    for index, bar in enumerate(bars):
        top = first + index * (_BAR_HEIGHT + _BAR_GAP)
        start = 0
        for segment in bar.segments:
            left, right = scale.at(start), scale.at(start + segment.bytes)
            label = f"{segment.name} {format_gib(segment.bytes)}"
            width = max(0.5, right - left)
            rect = tag(
                "rect", tag("title", label), x=left, y=top, width=width, height=_BAR_HEIGHT, class_=f"s-{segment.key}"
            )
            parts.append(rect)
            if right - left > 44:
                middle = (left + right) / 2
                parts.append(_text(middle, top + _BAR_HEIGHT / 2 + 4, gibs(segment.bytes), "middle", "inside"))
            start += segment.bytes
        if len(bars) > 1:
            parts.append(_text(8, top - 4, bar.name, "start", "tick"))
    bottom = height - 18
    parts += _level(scale.at(budget), bottom, f"budget {gibs(budget)} GiB", "budget")
    parts += _level(scale.at(total), bottom, f"GPU {gibs(total)} GiB", "edge", label_y=height - 4)
    title = f"Memory per GPU against the budget of {format_gib(budget)}"
    return _svg(height, title, parts)


def curve_chart(curve: Curve) -> Markup:
    """Memory needed along an axis as stacked areas, the budget, what is asked and where it stops fitting."""
    words = {"context": "tokens per request", "users": "requests at once"}[curve.axis]
    right = max(point.x for point in curve.points)
    top = max(curve.budget_bytes, *(point.total_bytes for point in curve.points)) * 1.06
    top = min(top, curve.budget_bytes * 2.2)  # beyond it nothing is to be learned
    xs = Scale(low=0, high=right, start=_LEFT, end=_WIDTH - _RIGHT)
    ys = Scale(low=0, high=top, start=_HEIGHT - _BOTTOM, end=_TOP)
    parts = _grid(xs, ys, binary_marks(right) if curve.axis == "context" else round_marks(right), top)
    free = evolve(ys, clamp=False)
    areas: list[Markup] = []
    below = [0] * len(curve.points)
    for key, name in (("weights", "weights"), ("overhead", "overhead"), ("kv", "KV cache")):
        field = {"weights": "weights_bytes", "overhead": "overhead_bytes", "kv": "kv_cache_bytes"}[key]
        above = [base + int(getattr(point, field)) for base, point in zip(below, curve.points, strict=True)]
        upper = [(xs.at(point.x), free.at(y)) for point, y in zip(curve.points, above, strict=True)]
        lower = [(xs.at(point.x), free.at(y)) for point, y in zip(curve.points, below, strict=True)]
        areas.append(tag("polygon", tag("title", name), points=_points([*upper, *reversed(lower)]), class_=f"s-{key}"))
        below = above
    wide, high = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    box = f"{_LEFT} {_TOP} {wide} {high}"  # what is above the plot is cut off
    parts.append(tag("svg", *areas, x=_LEFT, y=_TOP, width=wide, height=high, viewBox=box))
    line = ys.at(curve.budget_bytes)
    parts.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=line, y2=line, class_="budget"))
    parts.append(_text(_LEFT + 4, line - 4, f"budget {gibs(curve.budget_bytes)} GiB", "start", "tick strong"))
    asked = xs.at(curve.asked)
    parts.append(tag("line", x1=asked, x2=asked, y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="asked"))
    if 0 < curve.limit <= right:
        at, level = xs.at(curve.limit), ys.at(curve.usable_bytes)
        parts.append(tag("circle", tag("title", f"fits up to {curve.limit:,}"), cx=at, cy=level, r=5, class_="limit"))
        anchor = "end" if at > _WIDTH / 2 else "start"
        shift = -9 if anchor == "end" else 9
        parts.append(_text(at + shift, level + 16, f"fits to {curve.limit:,}", anchor, "inside strong"))
    parts.append(_text(_WIDTH - _RIGHT, _HEIGHT - 4, words, "end", "tick"))
    parts.append(_text(4, 12, "GiB per GPU", "start", "tick"))
    return _svg(_HEIGHT, f"Memory against {words}; asked {curve.asked:,}, fits up to {curve.limit:,}", parts)


def field_chart(field: Field) -> Markup:
    """Context × users: free memory as colour, and the frontier of what fits."""
    columns, rows = field.columns, len(field.users)
    height = _TOP + rows * 16 + _BOTTOM
    width = (_WIDTH - _LEFT - _RIGHT) / len(columns)
    parts: list[Markup] = []
    path = []
    levels = Scale(low=1, high=field.users[-1] * 2, start=height - _BOTTOM, end=_TOP, log=True)
    for index, column in enumerate(columns):
        left = _LEFT + index * width
        for row, (users, free) in enumerate(zip(field.users, column.headroom_bytes, strict=True)):
            fits = users <= column.most_users
            near = free < 4 * max(field.headroom_bytes, 1 << 30)
            shade = ("tight" if near else "roomy") if fits else ("just-not" if free > -field.headroom_bytes else "not")
            told = f"{users:,} × {column.context:,} tokens: {'fits, ' if fits else 'does not fit, '}{format_gib(free)} free"
            top = height - _BOTTOM - (row + 1) * 16
            parts.append(
                tag("rect", tag("title", told), x=left, y=top, width=width + 0.3, height=16.3, class_=f"h-{shade}")
            )
        level = levels.at(column.most_users + 1) if column.most_users else height - _BOTTOM
        path += [(left, level), (left + width, level)]
        if index % 4 == 0:
            parts.append(_text(left + width / 2, height - _BOTTOM + 14, short(column.context), "middle", "tick"))
    parts.append(tag("polyline", points=_points(path), class_="frontier"))
    for row in range(0, rows, 2):
        parts.append(_text(_LEFT - 5, height - _BOTTOM - row * 16 - 4, f"{field.users[row]:,}", "end", "tick"))
    nearest = min(range(len(columns)), key=lambda i: abs(columns[i].context - field.asked_context))
    spot = levels.at(min(field.asked_users, field.users[-1])) - 8
    told = f"asked: {field.asked_users:,} × {field.asked_context:,}"
    parts.append(
        tag("circle", tag("title", told), cx=_LEFT + (nearest + 0.5) * width, cy=spot, r=5, class_="asked-dot")
    )
    parts.append(_text(_WIDTH - _RIGHT, height - 4, "tokens per request", "end", "tick"))
    parts.append(_text(4, 12, "requests at once", "start", "tick"))
    return _svg(height, "What fits: requests at once against tokens per request", parts)


def comparison_chart(rows: Iterable[tuple[str, int, int, bool]]) -> Markup:
    """Bars of (name, needed bytes, memory bytes, fits): what is needed of the memory of each choice."""
    listed = list(rows)
    scale = Scale(low=0, high=max((max(a, b) for _, a, b, _ in listed), default=1), start=200, end=_WIDTH - 60)
    parts: list[Markup] = []
    for index, (name, needed, memory, fits) in enumerate(listed):
        top = _TOP + index * 24
        parts.append(_text(192, top + 13, name if len(name) <= 30 else name[:29] + "…", "end", "tick"))
        parts.append(tag("rect", x=200, y=top, width=scale.at(memory) - 200, height=16, class_="frame"))
        state = "s-kv" if fits else "s-nontorch"
        told = f"{name}: {format_gib(needed)} of {format_gib(memory)}"
        parts.append(
            tag("rect", tag("title", told), x=200, y=top, width=scale.at(needed) - 200, height=16, class_=state)
        )
        ends = max(scale.at(memory), scale.at(needed))
        parts.append(_text(ends + 5, top + 13, f"{gibs(needed)}/{gibs(memory)}", "start", "tick"))
    parts.append(_text(4, 12, "GiB taken of all GPUs' memory, with the share vLLM leaves alone", "start", "tick"))
    return _svg(_TOP + len(listed) * 24 + 8, "Memory needed on each choice of hardware", parts, "chart rows")


def _grid(xs: Scale, ys: Scale, marks: list[float], top: float) -> list[Markup]:
    parts = []
    for mark in round_marks(top / (1 << 30)):
        y = ys.at(mark * (1 << 30))
        parts.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(_text(_LEFT - 5, y + 4, f"{mark:g}", "end", "tick"))
    for mark in marks:
        words = short(mark) if marks[-1] >= 2048 else f"{mark:g}"
        parts.append(_text(xs.at(mark), _HEIGHT - _BOTTOM + 14, words, "middle", "tick"))
    return parts


def _level(x: float, bottom: float, label: str, kind: str, label_y: float | None = None) -> list[Markup]:
    line = tag("line", x1=x, x2=x, y1=16, y2=bottom, class_=kind)
    anchor = "end" if x > 120 else "start"
    return [line, _text(x, 13 if label_y is None else label_y, label, anchor, "tick strong")]


def _text(x: float, y: float, words: str, anchor: str, kind: str) -> Markup:
    return tag("text", words, x=x, y=y, text_anchor=anchor, class_=kind)


def _points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _svg(height: float, title: str, parts: list[Markup], kind: str = "chart") -> Markup:
    box = f"0 0 {_WIDTH} {height:g}"
    return tag(
        "svg", tag("title", title), *parts, viewBox=box, role="img", class_=kind, xmlns="http://www.w3.org/2000/svg"
    )
