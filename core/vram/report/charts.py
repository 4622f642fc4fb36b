"""Plots as SVG of our own: no script, no request, colours from the page's style sheet (`report.css`)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from vram.models.curves import Column, Curve, Field
from vram.models.estimate import Estimate
from vram.models.record import evolve
from vram.report.axes import Scale, binary_marks, doubling_marks, gibs, round_marks, short
from vram.report.markup import Markup, tag
from vram.report.segments import bars_of
from vram.units import format_gib

_WIDTH = 640
_PLOT = 480  # of plots with axes: as wide as half of a page, and not too wide for a phone
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 18, 24, 42
_BAR_HEIGHT, _BAR_GAP = 34, 18
_HEIGHT = 300
_BELOW_ONE = 0.7  # where a logarithmic scale of users begins, so that one has some height


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
                kind = "inside-pool" if segment.key == "pool" else "inside"
                parts.append(_text(middle, top + _BAR_HEIGHT / 2 + 4, gibs(segment.bytes), "middle", kind))
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
    xs = Scale(low=0, high=right, start=_LEFT, end=_PLOT - _RIGHT)
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
    wide, high = _PLOT - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    box = f"{_LEFT} {_TOP} {wide} {high}"  # what is above the plot is cut off
    parts.append(tag("svg", *areas, x=_LEFT, y=_TOP, width=wide, height=high, viewBox=box))
    line = ys.at(curve.budget_bytes)
    parts.append(tag("line", x1=_LEFT, x2=_PLOT - _RIGHT, y1=line, y2=line, class_="budget"))
    parts.append(_text(_LEFT + 4, line - 4, f"budget {gibs(curve.budget_bytes)} GiB", "start", "tick strong"))
    asked = xs.at(curve.asked)
    parts.append(tag("line", x1=asked, x2=asked, y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="asked"))
    if 0 < curve.limit <= right:
        at, level = xs.at(curve.limit), ys.at(curve.usable_bytes)
        parts.append(tag("circle", tag("title", f"fits up to {curve.limit:,}"), cx=at, cy=level, r=5, class_="limit"))
        anchor = "end" if at > _PLOT / 2 else "start"
        shift = -9 if anchor == "end" else 9
        parts.append(_text(at + shift, level + 16, f"fits to {curve.limit:,}", anchor, "strong"))
    parts.append(_text(_PLOT - _RIGHT, _HEIGHT - 4, words, "end", "tick"))
    parts.append(_text(4, 14, "GiB per GPU", "start", "tick"))
    return _svg(
        _HEIGHT,
        f"Memory against {words}; asked {curve.asked:,}, fits up to {curve.limit:,}",
        parts,
        "chart plot",
        width=_PLOT,
    )


def field_chart(field: Field) -> Markup:
    """Context × users: areas of what fits and what does not, and the frontier between them, all on one pair of scales.

    Each cell has its context and users in `data-context` and `data-users`, for a page on which they can be clicked.
    """
    columns = field.columns
    most = max(field.asked_users, *(column.most_users for column in columns))
    top = min(max(8, 2 ** (2 * most - 1).bit_length()), max(field.users[-1], 2 * field.asked_users))
    xs = Scale(low=columns[0].context, high=columns[-1].context, start=_LEFT, end=_PLOT - _RIGHT, log=True)
    ys = Scale(low=_BELOW_ONE, high=top, start=_HEIGHT - _BOTTOM, end=_TOP, log=True)
    bands = [_bands(column, field) for column in columns]
    parts = [_area(xs, ys, columns, [top] * len(columns), "h-not")]
    for kind, index in (("h-just-not", 2), ("h-tight", 1), ("h-roomy", 0)):
        parts.append(_area(xs, ys, columns, [band[index] for band in bands], kind))
    frontier = _points((xs.at(one.context), ys.at(band[1])) for one, band in zip(columns, bands, strict=True))
    parts += [tag("polyline", points=frontier, class_=kind) for kind in ("halo", "frontier")]
    parts += _field_axes(xs, ys, columns[0].context, columns[-1].context, top)
    parts += _cells(field, xs, ys, top)
    if bands[0][1] >= 2:
        parts.append(_text(_LEFT + 6, ys.at(1) + 5, "fits", "start", "strong"))
    if bands[-1][1] * 4 < top:
        parts.append(_text(_PLOT - _RIGHT - 6, _TOP + 16, "does not fit", "end", "strong"))
    told = f"asked: {field.asked_users:,} × {field.asked_context:,}"
    at, level = xs.at(field.asked_context), ys.at(field.asked_users)
    parts.append(tag("circle", tag("title", told), cx=at, cy=level, r=6, class_="asked-dot"))
    return _svg(_HEIGHT, "What fits: requests at once against tokens per request", parts, "chart plot map", width=_PLOT)


def _bands(column: Column, field: Field) -> tuple[float, float, float]:
    """The most users that fit with room to spare, that fit, and that lack less than the headroom."""
    near, headroom = 4 * max(field.headroom_bytes, 1 << 30), field.headroom_bytes
    tight = min(float(column.most_users), _users_at(column, field.users, near))
    return tight, float(column.most_users), max(float(column.most_users), _users_at(column, field.users, -headroom))


def _users_at(column: Column, users: tuple[int, ...], free: int) -> float:
    """The number of users with so many bytes free, between those that were asked about; 0 where already one has less."""
    pairs = list(zip(users, column.headroom_bytes, strict=True))
    if pairs[0][1] < free:
        return 0.0
    for (fewer, more_free), (more, less_free) in pairwise(pairs):
        if less_free < free:
            return fewer + (more - fewer) * (more_free - free) / max(1, more_free - less_free)
    return float(users[-1])


def _area(xs: Scale, ys: Scale, columns: tuple[Column, ...], levels: Iterable[float], kind: str) -> Markup:
    """What lies under a line over all contexts."""
    line = [(xs.at(column.context), ys.at(level)) for column, level in zip(columns, levels, strict=True)]
    return tag("polygon", points=_points([*line, (xs.end, ys.start), (xs.start, ys.start)]), class_=kind)


def _field_axes(xs: Scale, ys: Scale, shortest: float, longest: float, top: float) -> list[Markup]:
    parts = []
    for mark in doubling_marks(shortest, longest, 9):
        parts.append(_text(xs.at(mark), _HEIGHT - _BOTTOM + 18, short(mark), "middle", "tick"))
    for mark in doubling_marks(1, top, 7):
        parts.append(_text(_LEFT - 6, ys.at(mark) + 5, f"{mark:,.0f}", "end", "tick"))
    parts.append(_text(_PLOT - _RIGHT, _HEIGHT - 4, "tokens per request", "end", "tick"))
    parts.append(_text(4, 14, "requests at once", "start", "tick"))
    return parts


def _cells(field: Field, xs: Scale, ys: Scale, top: float) -> list[Markup]:
    """Transparent rectangles that say what is in them; each reaches halfway to its neighbours on the scale."""
    parts = []
    edges = [xs.start, *((xs.at(a.context) + xs.at(b.context)) / 2 for a, b in pairwise(field.columns)), xs.end]
    for index, column in enumerate(field.columns):
        for users, free in zip(field.users, column.headroom_bytes, strict=True):
            if users > top:
                break
            upper, lower = ys.at(users * 2**0.5), ys.at(users / 2**0.5)
            fits = "fits" if users <= column.most_users else "does not fit"
            told = f"{users:,} × {column.context:,} tokens: {fits}, {format_gib(free)} free"
            size = {"x": edges[index], "width": edges[index + 1] - edges[index], "y": upper, "height": lower - upper}
            asked = {"data_context": column.context, "data_users": users}
            parts.append(tag("rect", tag("title", told), class_="cell", **size, **asked))
    return parts


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
        parts.append(tag("line", x1=_LEFT, x2=_PLOT - _RIGHT, y1=y, y2=y, class_="grid"))
        parts.append(_text(_LEFT - 5, y + 4, f"{mark:g}", "end", "tick"))
    for mark in marks:
        words = short(mark) if marks[-1] >= 2048 else f"{mark:g}"
        parts.append(_text(xs.at(mark), _HEIGHT - _BOTTOM + 18, words, "middle", "tick"))
    return parts


def _level(x: float, bottom: float, label: str, kind: str, label_y: float | None = None) -> list[Markup]:
    line = tag("line", x1=x, x2=x, y1=16, y2=bottom, class_=kind)
    anchor = "end" if x > 120 else "start"
    return [line, _text(x, 13 if label_y is None else label_y, label, anchor, "tick strong")]


def _text(x: float, y: float, words: str, anchor: str, kind: str) -> Markup:
    return tag("text", words, x=x, y=y, text_anchor=anchor, class_=kind)


def _points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _svg(height: float, title: str, parts: list[Markup], kind: str = "chart", width: int = _WIDTH) -> Markup:
    box = f"0 0 {width} {height:g}"
    return tag(
        "svg", tag("title", title), *parts, viewBox=box, role="img", class_=kind, xmlns="http://www.w3.org/2000/svg"
    )
