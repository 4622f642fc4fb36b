"""Measured serving runs beside the speed model: how far off it is, and what corrects it for one machine."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from statistics import median

from vram.components import Efficiency, Loop, Speed, corrected, machine_with
from vram.models.performance import Workload
from vram.models.profile import Constant, Gpu
from vram.models.record import evolve, frozen
from vram_plugins.calibrate.least_squares import robust_minimum

#: what is corrected for a machine, and how far it may plausibly be off (of its logarithm)
CORRECTED = {"bandwidth": 0.15, "flops": 0.25, "step_us": 0.7, "link": 0.4, "client_ms": 0.7}
_TOLERANCE = 0.15
_VOTE = 3.0  # of a measurement, against one scale of a correction
_SHIFT = 8.0  # the solver knows no negative parameters, logarithms are


@frozen(kw_only=True, eq=False)
class MeasuredRun:
    """A serving run of one replica, times in seconds. `fits` as in Speed; `ttft` and `tpot` are medians."""

    label: str
    gpu: Gpu
    speed: Speed
    load: Workload
    fits: float
    eager: bool = False
    output_tokens_per_s: float | None = None
    tpot: float | None = None
    ttft: float | None = None


def predicted(run: MeasuredRun, reached: Efficiency) -> Loop:
    """What the model says of a run with some constants."""
    machine = run.speed.machine
    changed = machine_with(
        reached,
        run.gpu,
        ranks=machine.ranks,
        replicas=machine.replicas,
        eager=run.eager,
        overlapped=machine.overlapped,
    )
    return evolve(run.speed, machine=evolve(changed, offload_seconds=machine.offload_seconds)).loop(run.load, run.fits)


def errors(run: MeasuredRun, loop: Loop) -> dict[str, float]:
    """Logarithms of predicted over measured: "output_tokens_per_s", "tpot", "ttft"."""
    said = {
        "output_tokens_per_s": loop.requests_per_s * run.load.gen_tokens,
        "tpot": loop.tpot,
        "ttft": loop.ttft,
    }
    pairs = ((name, value, getattr(run, name)) for name, value in said.items())
    return {name: log(max(value, 1e-9) / measured) for name, value, measured in pairs if measured}


def corrections(runs: Sequence[MeasuredRun], reached: Efficiency, source: str) -> tuple[Constant, ...]:
    """Factors on a generation's constants with which the model meets the runs of one machine, as far as they tell.

    Robust least squares on logarithms: what the runs do not show stays 1. `low` and `high` are the factors of the
    10 % and 90 % quantile that the corrected model is still off by, around the value.
    """
    names = tuple(CORRECTED)

    def changed(x: Sequence[float]) -> Efficiency:
        return corrected(reached, [(name, exp(at - _SHIFT)) for name, at in zip(names, x, strict=True)])

    def residuals(x: list[float]) -> list[float]:
        constants = changed(x)
        return [each for run in runs for each in errors(run, predicted(run, constants)).values()]

    start = [_SHIFT] * len(names)
    weights = [_VOTE] * len(residuals(start))
    found = robust_minimum(residuals, start, [CORRECTED[name] for name in names], weights, _TOLERANCE, rounds=25)
    left = median(abs(error) for error in residuals(found)) if weights else 0.0
    return tuple(
        Constant(
            name=f"speed_{name}",
            value=exp(at - _SHIFT),
            low=exp(at - _SHIFT - left),
            high=exp(at - _SHIFT + left),
            provenance="measured",
            source=source,
            samples=len(runs),
        )
        for name, at in zip(names, found, strict=True)
    )
