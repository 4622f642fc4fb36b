"""Fit the constants of core/vram/advise/efficiency.py to measured serving runs, and print how far off the model is.

usage: python tests/calibration/fit_speed.py RUNS.jsonl CONFIGS [--leave-out] [--no-fit]

RUNS has one serving run per line (config's folder name, GPU, parallel sizes, input and output tokens, concurrency or request
rate, and output tokens/s, TPOT and TTFT in ms); CONFIGS has one folder per model. Not shipped: run by people who have runs. Every
run is asked as somebody would ask who knows only the model, the GPU, the layout, the load and the version. Runs of one
publisher, model, GPU and layout have one vote together.

The fit starts at `speed_priors` (measured kernels) and stays near it. Requests that arrive at a rate enter it as a closed loop
of as many clients as were in flight; they are judged by the simulation. `--leave-out` fits without each publisher, model and
GPU in turn and predicts what was left out (some minutes); the spreads of efficiency.py are the 5 % and 95 % quantiles it prints.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import exp
from pathlib import Path
from typing import Any

from attrs import asdict
from speed_priors import GENERATION, OWN, PRIOR, WIDER

from vram.advise.efficiency import (
    THROUGHPUT_SPREAD,
    TPOT_SPREAD,
    TTFT_SPREAD,
    Efficiency,
    Spread,
    efficiency_of,
    generation_of,
)
from vram.advise.performance import language_parts
from vram.advise.speed import batches_of, speed_of
from vram.ask.asking import ask
from vram.errors import VramError
from vram.models.performance import Workload
from vram.models.record import evolve, frozen
from vram_plugins.calibrate.least_squares import robust_minimum
from vram_plugins.calibrate.speed import MeasuredRun, errors, predicted

_TOLERANCE = 0.1  # of a logarithm: runs that miss by more count less and less
_TTFT_WEIGHT = 1.0  # as much as the others
_VOTE = 2.0  # of a group of one run, against one scale of a prior
_SHIFT = 8.0  # the solver knows no negative parameters, logarithms are

Name = str | tuple[str, str]


@frozen(kw_only=True, eq=False)
class Published:
    """A run as it was published, as a closed loop and as it `arriving` really was."""

    run: MeasuredRun
    arriving: Workload
    group: str
    publisher: str
    model: str
    card: str
    generation: str


def read_run(row: dict[str, Any], configs: Path) -> Published | None:
    """A run, or None where it cannot tell anything. Raises VramError."""
    if row.get("unscored") or not row.get("config") or (row.get("vendor") or "nvidia") != "nvidia":
        return None
    rate = row["request_rate"] if row.get("arrival") == "poisson" else None
    if not row.get("concurrency"):
        return None
    replicas = min(row.get("data_parallel_size") or 1, int(row["concurrency"]))
    load = Workload(
        prompt_tokens=int(row["input_tokens"]),
        gen_tokens=int(row["output_tokens"]),
        concurrency=max(1, int(row["concurrency"]) // replicas),
    )
    arguments = {key: row[key] for key in ("tensor_parallel_size", "pipeline_parallel_size") if row.get(key)}
    if row.get("kv_cache_dtype") == "fp8":
        arguments["kv_cache_dtype"] = "fp8"
    version = str(row.get("vllm_version") or "")
    known = version if version.replace(".", "").isdigit() else None
    parts, _ = language_parts(ask(configs / row["config"], gpu=row["gpu"], vllm_version=known, **arguments))
    gpu = parts.question.deployment.gpu
    source = str(row["source"])
    few = row["concurrency"] <= 4 and row.get("arrival") != "burst"
    tpot, ttft = (row.get(f"median_{name}_ms") or row.get(f"mean_{name}_ms") for name in ("tpot", "ttft"))
    layout = [row.get(f"{name}_parallel_size") for name in ("tensor", "pipeline", "data")]
    return Published(
        run=MeasuredRun(
            label=row["id"],
            gpu=gpu,
            speed=speed_of(parts),
            load=load,
            fits=batches_of(parts, load).expected,
            output_tokens_per_s=row["output_tokens_per_s"] / replicas if rate is None else None,
            tpot=tpot / 1e3 if tpot else None,
            ttft=ttft / 1e3 if ttft and (few or rate is not None) else None,
        ),
        arriving=load if rate is None else evolve(load, request_rate=rate / replicas),
        group=" ".join(
            map(
                str,
                (
                    source.partition(":")[0] if row.get("arrival") else source[:40],
                    row["config"],
                    gpu.name,
                    *layout,
                    row.get("quantization"),
                ),
            )
        ),
        publisher=source.removeprefix("https://").removeprefix("http://").partition("/")[0],
        model=row["config"].split("+")[0].removesuffix("-FP8"),
        card=gpu.name,
        generation=generation_of(gpu),
    )


def read_runs(runs: Path, configs: Path, *, quiet: bool = False) -> list[Published]:
    """All runs of a file that can be asked about."""
    found: list[Published] = []
    for line in runs.read_text().splitlines():
        row = json.loads(line)
        try:
            run = read_run(row, configs)
        except VramError as error:
            if not quiet:
                print(f"# not used: {row['id']}: {str(error)[:100]}")
            continue
        if run is not None:
            found.append(run)
    return found


def fit(runs: Sequence[Published], rounds: int = 14) -> dict[str, Efficiency]:
    """The constants of each generation among `runs`, and under "" those of all.

    Robust least squares on logarithms; weighted by group and, less, by publisher.
    """
    generations = sorted({one.generation for one in runs})
    names: list[Name] = [*PRIOR, *((generation, name) for generation in generations for name in OWN)]
    scale = [PRIOR[n][1] if isinstance(n, str) else WIDER.get(n, OWN[n[1]]) for n in names]
    used = [(one, evolve(one.run, ttft=None if one.arriving.request_rate else one.run.ttft)) for one in runs]
    votes = Counter((one.group, name) for one, run in used for name in _measured(run))
    groups = {one.publisher: len({other.group for other in runs if other.publisher == one.publisher}) for one in runs}
    weights = [
        _VOTE
        * (_TTFT_WEIGHT if name == "ttft" else 1.0)
        / votes[one.group, name] ** 0.75
        / groups[one.publisher] ** 0.25
        for one, run in used
        for name in _measured(run)
    ]

    known: dict[tuple[str, Efficiency], list[float]] = {}

    def residuals(x: list[float]) -> list[float]:
        reached = constants(dict(zip(names, x, strict=True)), generations)
        for one, run in used:  # a change in one generation's constants changes no other's runs
            if (run.label, reached[one.generation]) not in known:
                loop = predicted(run, reached[one.generation])
                known[run.label, reached[one.generation]] = list(errors(run, loop).values())
        return [error for one, run in used for error in known[run.label, reached[one.generation]]]

    found = robust_minimum(residuals, [_SHIFT] * len(names), scale, weights, _TOLERANCE, rounds=rounds)
    return constants(dict(zip(names, found, strict=True)), generations)


def _measured(run: MeasuredRun) -> list[str]:
    return [name for name in ("output_tokens_per_s", "tpot", "ttft") if getattr(run, name)]


def constants(x: Mapping[Name, float], generations: Iterable[str]) -> dict[str, Efficiency]:
    """The priors times what `x` says, per generation and under "" for all."""
    found: dict[str, Efficiency] = {}
    for generation in ("", *generations):
        own = GENERATION.get(generation, {})
        values = {name: own.get(name, value) * exp(x.get(name, _SHIFT) - _SHIFT) for name, (value, _) in PRIOR.items()}
        for name in OWN:
            values[name] *= exp(x.get((generation, name), _SHIFT) - _SHIFT)
        found[generation] = Efficiency(**values)
    return found


def judged(one: Published, reached: Efficiency) -> dict[str, float]:
    """Errors as they are asked about: at a rate, where requests arrived at one, and with nothing said about the board."""
    run = evolve(one.run, load=one.arriving)
    return errors(run, predicted(run, reached))


def report(title: str, runs: Sequence[Published], constants_of: Callable[[Published], Efficiency]) -> None:
    """Median and 90th percentile factor, share inside the shipped ranges, 5 % and 95 % quantile of measured over expected."""
    found: dict[str, list[tuple[float, str]]] = {}
    for one in runs:
        for name, error in judged(one, constants_of(one)).items():
            found.setdefault(name, []).append((error, one.group))
    spreads: dict[str, Spread] = {"tpot": TPOT_SPREAD, "output_tokens_per_s": THROUGHPUT_SPREAD, "ttft": TTFT_SPREAD}
    for name in ("tpot", "output_tokens_per_s", "ttft"):
        each = found.get(name, [])
        if not each:
            continue
        size = Counter(group for _, group in each)
        sizes = [(abs(error), 1 / size[group]) for error, group in each]
        over = [(-error, 1 / size[group]) for error, group in each]
        spread = spreads[name]
        inside = sum(w for error, w in over if spread.low <= exp(error) <= spread.high) / len(size)
        print(
            f"{title:28} {name:20} runs {len(each):3} votes {len(size):3}  median {exp(share(sizes, 0.5)):.2f}  "
            f"p90 {exp(share(sizes, 0.9)):.2f}  inside {inside:4.0%}  "
            f"measured/expected {exp(share(over, 0.05)):.2f} to {exp(share(over, 0.95)):.2f}"
        )


def share(values: Sequence[tuple[float, float]], wanted: float) -> float:
    """Of (value, weight), the first value that at least so much of the weight does not exceed."""
    ordered, reached = sorted(values), 0.0
    total = sum(weight for _, weight in ordered)
    for value, weight in ordered:
        reached += weight
        if reached >= wanted * total - 1e-9:
            return value
    return ordered[-1][0]


def main() -> None:
    """Print the fitted constants and the errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("configs", type=Path)
    parser.add_argument("--no-fit", action="store_true", help="only judge the constants that ship, and the priors")
    parser.add_argument("--leave-out", action="store_true", help="also fit without each publisher, model and GPU")
    given = parser.parse_args()
    runs = read_runs(given.runs, given.configs)
    prior = constants({}, sorted(GENERATION))
    report("as shipped", runs, lambda one: efficiency_of(one.generation))
    report("kernels alone, no fit", runs, lambda one: prior.get(one.generation, prior[""]))
    if given.no_fit:
        return
    fitted = fit(runs)
    for generation, reached in fitted.items():
        print(generation or "all", {name: float(f"{value:.3g}") for name, value in asdict(reached).items()})
    report("fitted to all", runs, lambda one: fitted[one.generation])
    for generation in sorted({one.generation for one in runs}):
        report(
            f"  {generation}", [one for one in runs if one.generation == generation], lambda one: fitted[one.generation]
        )
    if given.leave_out:
        for kind in ("publisher", "model", "card"):
            leave_out(runs, kind)


def thinned(runs: Sequence[Published], most: int = 6) -> list[Published]:
    """At most so many runs of a group, spread over its sweep: they have one vote together anyway, and fits take less long."""
    size = Counter(one.group for one in runs)
    place: Counter[str] = Counter()
    kept: list[Published] = []
    for one in runs:
        every = -(-size[one.group] // most)
        if place[one.group] % every == 0:
            kept.append(one)
        place[one.group] += 1
    return kept


def leave_out(runs: Sequence[Published], kind: str) -> None:
    """Fit without each publisher, model or card, and predict what was left out; one line per value, then all together."""
    apart: dict[str, dict[str, Efficiency]] = {}
    for value in sorted({getattr(one, kind) for one in runs}):
        found = apart[value] = fit(thinned([one for one in runs if getattr(one, kind) != value]), rounds=4)
        report(f"  {value[-26:]}", [one for one in runs if getattr(one, kind) == value], lambda one: _of(found, one))  # noqa: B023
    report(f"each {kind} left out", runs, lambda one: _of(apart[getattr(one, kind)], one))


def _of(found: dict[str, Efficiency], one: Published) -> Efficiency:
    return found.get(one.generation, found[""])


if __name__ == "__main__":
    main()
