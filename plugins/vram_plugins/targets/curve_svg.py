"""The curve as SVG: one element for a page or a report, with nothing of its own but the colour of the text around it.

Every stroke and letter has `currentColor`, so that it is as legible as the page's text, in light and in dark; nothing is told by colour
alone. Only presentation attributes are used, which no content security policy forbids.
"""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.record import frozen
from vram.models.targets import SpeedCurve, SpeedPoint
from vram.report import Markup, Scale, round_marks, tag
from vram_plugins.targets.curve_axes import Spot, figure, spots_of

_WIDTH, _HEIGHT = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 20, 28, 44
_INK = "currentColor"
_APART = 26  # pixels between two labels


@frozen(kw_only=True)
class _Plane:
    """Values on pixels: tokens/s of one user (`xs`) and of all (`ys`)."""

    xs: Scale
    ys: Scale


def curve_svg(curve: SpeedCurve) -> Markup:
    """An `<svg>` of tokens per second of all replicas (up) against those of one user (right), a dot per number of requests at once;
    the chosen one is ringed, its interval a cross, and the target for a token a dashed line. "" for a curve without tokens.
    """
    spots = spots_of(curve)
    if not spots:
        return Markup("")
    plane = _Plane(
        xs=Scale(low=0, high=max(spot.x for spot in spots) * 1.05, start=_LEFT, end=_WIDTH - _RIGHT),
        ys=Scale(low=0, high=max(spot.y for spot in spots) * 1.08, start=_HEIGHT - _BOTTOM, end=_TOP),
    )
    chosen = next((point for point in curve.points if point.chosen), None)
    title = "Tokens per second of all against tokens per second of one user"
    if chosen is not None:
        title += f"; planned: {chosen.users:,} requests at once in each of {curve.replicas:,}"
    parts = [
        *_axes(plane),
        *_target(curve, plane),
        *(_interval(chosen, curve.replicas, plane) if chosen is not None else ()),
        _line(spots, plane),
        *_dots(spots, plane),
    ]
    return tag(
        "svg",
        tag("title", title),
        *parts,
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
        xmlns="http://www.w3.org/2000/svg",
        class_="speed-curve",
        width="100%",
        font_family="system-ui, sans-serif",
        font_size=12,
        fill=_INK,
    )


def _axes(plane: _Plane) -> Iterator[Markup]:
    bottom = _HEIGHT - _BOTTOM
    yield _stroke(_LEFT, bottom, _WIDTH - _RIGHT, bottom, 1.0)
    yield _stroke(_LEFT, _TOP, _LEFT, bottom, 1.0)
    for mark in round_marks(plane.xs.high):
        yield _stroke(plane.xs.at(mark), bottom, plane.xs.at(mark), bottom + 4, 1.0)
        yield _text(plane.xs.at(mark), bottom + 17, f"{mark:,g}", "middle")
    for mark in round_marks(plane.ys.high):
        yield _stroke(_LEFT - 4, plane.ys.at(mark), _LEFT, plane.ys.at(mark), 1.0)
        yield _text(_LEFT - 7, plane.ys.at(mark) + 4, f"{mark:,g}", "end")
    yield _text(_WIDTH - _RIGHT, _HEIGHT - 8, "tokens/s of one user", "end")
    yield _text(4, 14, "tokens/s of all", "start")


def _target(curve: SpeedCurve, plane: _Plane) -> Iterator[Markup]:
    """Left of the line a token takes longer than its target."""
    if curve.tpot_ms is None or 1e3 / curve.tpot_ms > plane.xs.high:
        return
    at = plane.xs.at(1e3 / curve.tpot_ms)
    yield _stroke(at, _TOP, at, _HEIGHT - _BOTTOM, 1.5, dashes="6 4")
    anchor, shift = ("end", -5) if at > _WIDTH / 2 else ("start", 5)
    yield _text(at + shift, _TOP - 4, f"target: {curve.tpot_ms:g} ms a token", anchor)


def _interval(point: SpeedPoint, replicas: int, plane: _Plane) -> Iterator[Markup]:
    """The cross of what lies between low and high at the chosen point."""
    each, total = point.tokens_per_s_per_user, point.output_tokens_per_s
    x, y = plane.xs.at(each.expected), plane.ys.at(total.expected * replicas)
    yield _stroke(plane.xs.at(each.low), y, plane.xs.at(each.high), y, 1.0, dashes="2 3")
    yield _stroke(x, plane.ys.at(total.low * replicas), x, plane.ys.at(total.high * replicas), 1.0, dashes="2 3")


def _line(spots: tuple[Spot, ...], plane: _Plane) -> Markup:
    points = " ".join(f"{plane.xs.at(spot.x):.1f},{plane.ys.at(spot.y):.1f}" for spot in spots)
    return tag("polyline", points=points, fill="none", stroke=_INK, stroke_width=2)


def _dots(spots: tuple[Spot, ...], plane: _Plane) -> Iterator[Markup]:
    labelled = list[tuple[float, float]]()
    for spot in sorted(spots, key=lambda one: not one.chosen):  # the chosen one's label has its place first
        x, y = plane.xs.at(spot.x), plane.ys.at(spot.y)
        told = f"{spot.users:,} at once: {figure(spot.x)} tokens/s each, {figure(spot.y)} in all"
        yield tag("circle", tag("title", told), cx=x, cy=y, r=4, fill=_INK)
        if spot.chosen:
            yield tag("circle", cx=x, cy=y, r=9, fill="none", stroke=_INK, stroke_width=2.5)
        if all(abs(x - left) > _APART or abs(y - up) > _APART for left, up in labelled):
            labelled.append((x, y))
            words = f"{spot.users:,} at once, planned" if spot.chosen else f"{spot.users:,}"
            yield _text(x + 12, y - 7, words, "start", bold=spot.chosen)


def _stroke(x1: float, y1: float, x2: float, y2: float, width: float, dashes: str | None = None) -> Markup:
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, stroke=_INK, stroke_width=width, stroke_dasharray=dashes)


def _text(x: float, y: float, words: str, anchor: str, *, bold: bool = False) -> Markup:
    return tag("text", words, x=x, y=y, text_anchor=anchor, font_weight=700 if bold else None)
