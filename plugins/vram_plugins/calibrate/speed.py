"""Turn measured serving runs into the constants of the speed model, and say how far off it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import exp, log

from attrs import fields

from vram.components import Efficiency, Loop, Speed, efficiency_of, machine_with
from vram.models.performance import Workload
from vram.models.profile import Gpu
from vram.models.record import evolve, frozen
from vram_plugins.calibrate.least_squares import robust_minimum

#: what may differ between generations, and how far (standard deviation of its logarithm)
OWN = {"bandwidth": 0.08, "flops": 0.25, "kernel_us": 0.2}
#: where physics puts each shared constant, and how far it may plausibly lie from there (of its logarithm)
PRIOR = {
    "bandwidth": (0.8, 0.1), "flops": (0.6, 0.3), "flops_low": (0.5, 0.4), "attention_flops": (0.5, 0.5),
    "unpack": (30000.0, 0.7), "moe": (1.5, 0.5), "kernel_us": (3.0, 0.4), "step_us": (700.0, 0.7),
    "request_us": (15.0, 0.7), "reduce_us": (12.0, 0.5), "pcie_reduce_us": (20.0, 0.5), "nvlink": (0.5, 0.4),
    "pcie": (0.35, 0.4), "host": (0.2, 0.4), "wave": (0.4, 1.0), "client_ms": (12.0, 0.6),
}  # fmt: skip
_TOLERANCE = 0.3  # of a logarithm: runs that miss by more count less and less
_TTFT_WEIGHT = 0.4  # waves and warm-up move it, whatever the model knows
_VOTE = 2.0  # of a series of one run, against one scale of a prior
_SHIFT = 8.0  # the solver knows no negative parameters, logarithms are


@frozen(kw_only=True, eq=False)
class MeasuredRun:
    """A serving run of one replica, times in seconds. `series` is what repeats and shares one vote, `fits` as in Speed."""

    label: str
    model: str
    series: str
    gpu: Gpu
    speed: Speed
    load: Workload
    fits: int
    eager: bool
    output_tokens_per_s: float
    tpot: float | None
    ttft: float | None


def predicted(run: MeasuredRun, reached: Efficiency) -> Loop:
    """What the model says of a run with some constants."""
    machine = run.speed.machine
    changed = machine_with(reached, run.gpu, ranks=machine.ranks, replicas=machine.replicas, eager=run.eager)
    return evolve(run.speed, machine=changed).loop(run.load, run.fits)


def errors(run: MeasuredRun, loop: Loop) -> dict[str, float]:
    """Logarithms of predicted over measured: "output_tokens_per_s", "tpot", "ttft"."""
    found = {"output_tokens_per_s": log(loop.requests_per_s * run.load.gen_tokens / run.output_tokens_per_s)}
    if run.tpot:
        found["tpot"] = log(max(loop.tpot, 1e-9) / run.tpot)
    if run.ttft:
        found["ttft"] = log(loop.ttft / run.ttft)
    return found


def fit_speed(runs: Sequence[MeasuredRun]) -> dict[str, Efficiency]:
    """The constants of each GPU family among `runs`, and under "" those of all.

    Robust least squares on logarithms; every series has one vote in all, weighted by the root of its runs.
    """
    families = sorted({run.gpu.family for run in runs})
    names: list[str | tuple[str, str]] = [*PRIOR, *((family, name) for family in families for name in OWN)]
    scale = [PRIOR[n][1] if isinstance(n, str) else OWN[n[1]] for n in names]
    votes = Counter(run.series for run in runs)
    weights = [
        _VOTE * (_TTFT_WEIGHT if quantity == "ttft" else 1.0) / votes[run.series] ** 0.5
        for run in runs
        for quantity in errors(run, predicted(run, efficiency_of(run.gpu.family)))
    ]

    def constants(x: Sequence[float]) -> dict[str, Efficiency]:
        return _constants(dict(zip(names, x, strict=True)), families)

    def residuals(x: list[float]) -> list[float]:
        reached = constants(x)
        return [e for run in runs for e in errors(run, predicted(run, reached[run.gpu.family])).values()]

    return constants(robust_minimum(residuals, [_SHIFT] * len(names), scale, weights, _TOLERANCE, rounds=25))


def _constants(x: Mapping[str | tuple[str, str], float], families: Sequence[str]) -> dict[str, Efficiency]:
    found: dict[str, Efficiency] = {}
    for family in ("", *families):
        values = {name: value * exp(x[name] - _SHIFT) for name, (value, _) in PRIOR.items()}
        for name in OWN:
            values[name] *= exp(x.get((family, name), _SHIFT) - _SHIFT)
        values["wave"] = min(1.0, values["wave"])
        kept = {f.name: getattr(efficiency_of(family), f.name) for f in fields(Efficiency) if f.name not in PRIOR}
        found[family] = Efficiency(**values, **kept)
    return found
