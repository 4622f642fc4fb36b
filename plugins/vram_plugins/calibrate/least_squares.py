"""A small robust least-squares solver, so that calibration needs no numerical library."""

from __future__ import annotations

from collections.abc import Callable, Sequence

Vector = list[float]


def robust_minimum(
    residuals: Callable[[Vector], Vector],
    start: Sequence[float],
    scale: Sequence[float],
    weights: Sequence[float],
    tolerance: float,
    rounds: int = 15,
) -> Vector:
    """The parameters with the smallest sum of weighted Cauchy losses, kept near `start`.

    `residuals(x)` gives one number per observation, `weights` one factor each; beyond `tolerance` an observation counts
    less and less. `scale` is how far each parameter may plausibly lie from its start: one scale away costs as much as
    one observation that misses by the tolerance. Gauss-Newton with iteratively changed weights.
    """
    x = list(start)
    for _ in range(rounds):
        base = residuals(x)
        columns = [_derivative(residuals, x, base, i, 0.05 * scale[i]) for i in range(len(x))]
        loss = [w / (1 + (r / tolerance) ** 2) / tolerance**2 for w, r in zip(weights, base, strict=True)]
        normal = [[sum(f * a * b for f, a, b in zip(loss, ci, cj, strict=True)) for cj in columns] for ci in columns]
        right = [-sum(f * a * r for f, a, r in zip(loss, ci, base, strict=True)) for ci in columns]
        for i, width in enumerate(scale):
            normal[i][i] += 1 / width**2
            right[i] -= (x[i] - start[i]) / width**2
        step = solve(normal, right)
        x = [max(0.0, value + change) for value, change in zip(x, step, strict=True)]
        if all(abs(change) < 1e-3 * width for change, width in zip(step, scale, strict=True)):
            break
    return x


def _derivative(residuals: Callable[[Vector], Vector], x: Vector, base: Vector, index: int, step: float) -> Vector:
    moved = list(x)
    moved[index] += step
    return [(after - before) / step for after, before in zip(residuals(moved), base, strict=True)]


def solve(matrix: Sequence[Sequence[float]], right: Sequence[float]) -> Vector:
    """x of matrix · x = right, by elimination with row exchange; a singular direction stays 0."""
    rows = [[*row, value] for row, value in zip(matrix, right, strict=True)]
    size = len(rows)
    for i in range(size):
        pivot = max(range(i, size), key=lambda r: abs(rows[r][i]))
        rows[i], rows[pivot] = rows[pivot], rows[i]
        if rows[i][i] == 0:
            continue
        for r in range(size):
            if r != i and rows[r][i]:
                factor = rows[r][i] / rows[i][i]
                rows[r] = [a - factor * b for a, b in zip(rows[r], rows[i], strict=True)]
    return [rows[i][size] / rows[i][i] if rows[i][i] else 0.0 for i in range(size)]


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie (interpolated); 0 of none."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])
