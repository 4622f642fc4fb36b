"""The curve in plain characters, 40 columns wide: a plot and its figures, for a terminal, a log or Markdown."""

from __future__ import annotations

from vram.models.targets import SpeedCurve, SpeedPoint
from vram_plugins.targets.curve_axes import Spot, figure, spots_of

_WIDTH, _ROWS, _MARGIN = 32, 9, 7
_LEGEND = "o requests at once, @ planned"


def curve_text(curve: SpeedCurve) -> str:
    """Tokens per second of all (up) against those of one user (right), `@` the chosen point, `:` the target; then the figures."""
    spots = spots_of(curve)
    if not spots:
        return ""
    return "\n".join((*_plot(curve, spots), "", *_table(curve)))


def _plot(curve: SpeedCurve, spots: tuple[Spot, ...]) -> list[str]:
    right, top = max(spot.x for spot in spots), max(spot.y for spot in spots)
    cells = [[" "] * _WIDTH for _ in range(_ROWS)]
    if curve.tpot_ms is not None and 1e3 / curve.tpot_ms <= right:
        for row in cells:
            row[_column(1e3 / curve.tpot_ms, right)] = ":"
    for spot in sorted(spots, key=lambda one: one.chosen):  # the chosen one is drawn last, over others
        up = min(_ROWS - 1, int(spot.y / top * (_ROWS - 0.01)))
        cells[_ROWS - 1 - up][_column(spot.x, right)] = "@" if spot.chosen else "o"
    lines = ["tokens/s of all"]
    for index, drawn in enumerate(cells):
        label = figure(top * (_ROWS - index) / _ROWS) if index % 4 == 0 else ""
        lines.append(f"{label:>{_MARGIN}}|{''.join(drawn).rstrip()}")
    ends = f"{0:>{_MARGIN + 1}}{'tokens/s of one user':^{_WIDTH - 7}}{figure(right):>6}"
    legend = _LEGEND if any(spot.chosen for spot in spots) else _LEGEND.partition(",")[0]
    target = f", : {curve.tpot_ms:g} ms a token" if curve.tpot_ms is not None and 1e3 / curve.tpot_ms <= right else ""
    return [*lines, " " * _MARGIN + "+" + "-" * _WIDTH, ends, legend, *([target[2:]] if target else [])]


def _column(value: float, right: float) -> int:
    return min(_WIDTH - 1, int(value / right * (_WIDTH - 0.01)))


def _table(curve: SpeedCurve) -> list[str]:
    """Requests at once in one replica, tokens/s of one and of all, time to first token."""
    lines = [f"{'at once':>8}{'each':>8}{'all':>9}{'1st, ms':>10}"]
    return [*lines, *(_row(curve, point) for point in curve.points if point.tokens_per_s_per_user.expected > 0)]


def _row(curve: SpeedCurve, point: SpeedPoint) -> str:
    each, total = point.tokens_per_s_per_user.expected, point.output_tokens_per_s.expected * curve.replicas
    mark = " @" if point.chosen else ""
    return f"{point.users:>8,}{figure(each):>8}{figure(total):>9}{figure(point.ttft_ms.expected):>10}{mark}"
