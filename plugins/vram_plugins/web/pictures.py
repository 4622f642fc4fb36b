"""Tokens per second against users: all of them together, and each; the range as a band."""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, floor, log10

from vram.models.performance import Performance, Range
from vram.report import Markup, tag
from vram_plugins.web.answers import Shown, speed_at

_WIDTH, _HEIGHT = 480, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 18, 24, 42
_MOST_POINTS = 12


def speed_chart(found: Shown) -> Markup:
    """The figure; nothing where the speed is not known or nothing fits."""
    most = found.estimate.limits.max_concurrency_at_context
    if found.speed is None or not most:
        return Markup()
    most = max(most, found.estimate.deployment.concurrency)
    counts = sorted({*(2**n for n in range(_MOST_POINTS) if 2**n < most), most})
    timed = [(users, speed_at(found.question, found.estimate, found.request, users)) for users in counts]
    points = [(users, speed) for users, speed in timed if speed is not None]
    if len(points) < 2:
        return Markup()
    load = found.speed.workload
    caption = f"Tokens per second against users, {load.prompt_tokens:,} tokens in and {load.gen_tokens:,} out each. An estimate."
    return tag("figure", _chart(points, found.estimate.deployment.concurrency), tag("figcaption", caption))


def _chart(points: list[tuple[int, Performance]], asked: int) -> Markup:
    ranges = [one for _, speed in points for one in (_all(speed), _each(speed))]
    low = 10.0 ** floor(log10(max(0.1, min(one.low for one in ranges))))
    high = 10.0 ** ceil(log10(max(1.0, *(one.high for one in ranges))))
    most = max(points[-1][0], 2)

    def x(users: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * log10(max(1, users)) / log10(most)

    def y(rate: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _TOP - _BOTTOM) * log10(max(low, rate) / low) / log10(high / low)

    parts = [_text(4, 14, "tokens per second", "start", "tick")]
    for power in range(round(log10(low)), round(log10(high)) + 1):
        level = y(10.0**power)
        parts.append(tag("line", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=level, y2=level, class_="grid"))
        parts.append(_text(_LEFT - 6, level + 5, f"{10.0**power:,.9g}", "end", "tick"))
    for index, (users, _) in enumerate(points[:-1]):
        if not index % ceil(len(points) / 6):
            parts.append(_text(x(users), _HEIGHT - _BOTTOM + 18, f"{users:,}", "middle", "tick"))
    parts.append(_text(x(most), _HEIGHT - _BOTTOM + 18, f"{most:,}", "end", "tick"))
    for kind, of, words, above in (("s-kv", _all, "all together", -10), ("s-weights", _each, "each user", 20)):
        band = [(x(users), y(of(speed).high)) for users, speed in points]
        band += [(x(users), y(of(speed).low)) for users, speed in reversed(points)]
        parts.append(tag("polygon", points=_points(band), class_=f"{kind} band"))
        parts.append(
            tag("polyline", points=_points((x(u), y(of(one).expected)) for u, one in points), class_=f"line {kind}")
        )
        parts.append(_text(x(most) - 6, y(of(points[-1][1]).expected) + above, words, "end", "strong"))
    parts.append(tag("line", x1=x(asked), x2=x(asked), y1=_TOP, y2=_HEIGHT - _BOTTOM, class_="asked"))
    parts.append(_text(_WIDTH - _RIGHT, _HEIGHT - 4, "users at once", "end", "tick"))
    title = tag("title", f"Tokens per second against users; asked {asked:,}")
    return tag("svg", title, *parts, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img", class_="chart plot")


def _all(speed: Performance) -> Range:
    return speed.output_tokens_per_s


def _each(speed: Performance) -> Range:
    return speed.output_tokens_per_s_per_user


def _points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def _text(x: float, y: float, words: str, anchor: str, kind: str) -> Markup:
    return tag("text", words, x=x, y=y, text_anchor=anchor, class_=kind)
