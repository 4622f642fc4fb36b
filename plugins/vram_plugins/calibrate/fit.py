"""Turn logged start-ups into the constants of an overhead profile, and say what they do not explain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

from vram.components import FALLBACK, ProfileRun, activation_peak, graph_memory, non_torch_memory
from vram.models.profile import Constant
from vram.models.record import evolve, frozen
from vram.units import GIB
from vram_plugins.calibrate.least_squares import quantile, robust_minimum

Quantity = Literal["activation_peak", "cuda_graphs", "non_torch", "other"]
_TOLERANCE = 0.1 * GIB
_INTERVALS_ONLY = (
    "activation_spread",
    "graph_spread",
    "weights_spread",
    "gpu_memory_spread",
)  # they widen an interval and move no expected value
_OFFSET = "non_torch_bytes"  # what a range of versions does not explain is this constant's spread
_MIN_SPREAD = 0.05 * GIB
_ENOUGH_GROUPS = 3  # fewer say nothing about the tails
_OUTLIER = GIB  # what is farther off has another cause and widens no interval beyond this


@frozen(kw_only=True, eq=False)
class Observation:
    """One logged number in bytes. "other" is budget − available − weights.

    `group` is what repeats (model × GPU × version × TP): repeated rows share one vote. `label`, `model` and `source`
    name the log for the report and for leaving groups out.
    """

    quantity: Quantity
    value: int
    run: ProfileRun
    label: str
    model: str
    source: str
    group: str
    gpu: str = ""


@frozen(kw_only=True, eq=False)
class Residual:
    """What was predicted for an observation, in bytes."""

    observation: Observation
    predicted: int

    @property
    def error(self) -> int:
        return self.predicted - self.observation.value


def predict(run: ProfileRun, quantity: Quantity) -> int:
    """The expected bytes of a quantity."""
    if quantity == "activation_peak":
        return activation_peak(run).expected
    if quantity == "cuda_graphs":
        return graph_memory(run).captured.expected
    if quantity == "non_torch":
        return non_torch_memory(run).expected
    return activation_peak(run).expected + graph_memory(run).charged.expected + non_torch_memory(run).expected


def fit(observations: Sequence[Observation], *, source: str) -> tuple[Constant, ...]:
    """The constants that these observations say something about, fitted robustly and drawn to the known values.

    Constants that no observation depends on are left out: there the fallback holds, as assumed. `samples` counts the
    observations that depend on a constant. low and high: the known interval, narrower with more groups (never with fewer
    than three); for the offset of a version range the 5 % to 95 % range of what is left over.
    """
    names = [one for one in FALLBACK if one.name not in _INTERVALS_ONLY and one.high > one.low]
    influence = _influence(observations, names)
    names = [one for one, counts in zip(names, influence, strict=True) if counts]
    if not names:
        return ()
    weights = _weights(observations)
    scale = [(one.high - one.low) / 4 for one in names]
    values = robust_minimum(
        lambda x: _errors(observations, _with(names, x)), [one.value for one in names], scale, weights, _TOLERANCE
    )
    fitted = tuple(_with(names, values))
    counts = [found for found in influence if found]
    return tuple(
        _measured(one, len(found), source, [o for i, o in enumerate(observations) if i in found], fitted)
        for one, found in zip(fitted, counts, strict=True)
    )


def residuals(observations: Sequence[Observation], constants: tuple[Constant, ...]) -> tuple[Residual, ...]:
    """Predictions with these constants (and the fallback for the rest)."""
    return tuple(
        Residual(observation=one, predicted=predict(_run(one, constants), one.quantity)) for one in observations
    )


def leave_out(
    observations: Sequence[Observation], key: Callable[[Observation], str], *, source: str
) -> tuple[Residual, ...]:
    """Cross-validation: each group predicted with constants fitted on all the others."""
    found: list[Residual] = []
    for left_out in sorted({key(one) for one in observations}):
        kept = [one for one in observations if key(one) != left_out]
        constants = fit(kept, source=source) if kept else ()
        found += residuals([one for one in observations if key(one) == left_out], constants)
    return tuple(found)


def unexplained(found: Sequence[Residual], *, beyond: int = GIB // 4) -> tuple[Residual, ...]:
    """The residuals beyond so many bytes, the worst first."""
    return tuple(sorted((r for r in found if abs(r.error) > beyond), key=lambda r: -abs(r.error)))


def _run(observation: Observation, constants: Sequence[Constant]) -> ProfileRun:
    profile = evolve(observation.run.profile, constants=tuple(constants))
    return evolve(observation.run, profile=profile)


def _with(constants: Sequence[Constant], values: Sequence[float]) -> list[Constant]:
    return [evolve(one, value=value) for one, value in zip(constants, values, strict=True)]


def _errors(observations: Sequence[Observation], constants: Sequence[Constant]) -> list[float]:
    return [float(predict(_run(one, constants), one.quantity) - one.value) for one in observations]


def _weights(observations: Sequence[Observation]) -> list[float]:
    repeats = Counter((one.quantity, one.group) for one in observations)
    return [1 / repeats[one.quantity, one.group] for one in observations]


def _influence(observations: Sequence[Observation], names: Sequence[Constant]) -> list[set[int]]:
    """Per constant, the observations whose prediction changes with it."""
    base = _errors(observations, names)
    found = []
    for index, one in enumerate(names):
        moved = [*names[:index], evolve(one, value=one.high + 1), *names[index + 1 :]]
        after = _errors(observations, moved)
        found.append({i for i, (a, b) in enumerate(zip(base, after, strict=True)) if a != b})
    return found


def _measured(
    one: Constant, samples: int, source: str, observations: Sequence[Observation], fitted: Sequence[Constant]
) -> Constant:
    known = next(k for k in FALLBACK if (k.name, k.since, k.until) == (one.name, one.since, one.until))
    groups = len({o.group for o in observations})
    half = (known.high - known.low) / 2 / max(1.0, groups**0.5)
    low, high = one.value - half, one.value + half
    if one.name == _OFFSET:
        left = [min(max(-error, -_OUTLIER), _OUTLIER) for error in _errors(observations, fitted)]
        thin = _MIN_SPREAD + half / max(1.0, groups**0.5)
        low = one.value + min(quantile(left, 0.05), 0) - thin
        high = one.value + max(quantile(left, 0.95), 0) + thin
    if groups < _ENOUGH_GROUPS:  # thin data move the value, but do not narrow what is thinkable
        low, high = min(known.low, one.value), max(known.high, one.value)
    return evolve(one, low=max(0.0, low), high=high, provenance="measured", samples=samples, source=source)
