"""Fit the constants of core/vram/advise/efficiency.py to measured serving runs, and print how far off the model is.

usage: python tests/calibration/fit_speed.py RUNS.jsonl CONFIGS [--leave-out]

RUNS has one serving run per line (config's folder name, GPU, parallel sizes, input and output tokens, concurrency, and
output tokens/s, TPOT and TTFT in ms); CONFIGS has one folder per model. Not shipped: run by people who have runs. Left out
are runs with more replicas than clients, and those whose throughput counts decoding alone.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from math import exp
from pathlib import Path
from typing import Any

from attrs import asdict

from vram.advise.efficiency import Efficiency, efficiency_of
from vram.advise.performance import language_parts
from vram.advise.speed import batches_of, speed_of
from vram.ask.asking import ask
from vram.errors import VramError
from vram.models.performance import Workload
from vram_plugins.calibrate.least_squares import quantile
from vram_plugins.calibrate.speed import MeasuredRun, errors, fit_speed, predicted


def read_run(row: dict[str, Any], configs: Path) -> MeasuredRun | None:
    """A run, or None where it cannot tell anything. Raises VramError."""
    if row.get("unscored") or not row.get("concurrency"):
        return None  # arrivals at a rate, not a closed loop of clients
    replicas = row.get("data_parallel_size") or 1
    ttft = row.get("median_ttft_ms") or row.get("mean_ttft_ms")
    concurrency, output = int(row["concurrency"]), int(row["output_tokens"])
    decoding_alone = concurrency <= 4 and ttft and row["output_tokens_per_s"] * ttft / 1e3 > 1.15 * output * concurrency
    if replicas > concurrency or decoding_alone or not row.get("config"):
        return None
    arguments = {key: row[key] for key in ("tensor_parallel_size", "pipeline_parallel_size") if row.get(key)}
    if row.get("kv_cache_dtype") == "fp8":
        arguments["kv_cache_dtype"] = "fp8"
    version = str(row.get("vllm_version") or "")
    known = version if version.replace(".", "").isdigit() else None
    parts, _ = language_parts(ask(configs / row["config"], gpu=row["gpu"], vllm_version=known, **arguments))
    load = Workload(
        prompt_tokens=int(row["input_tokens"]), gen_tokens=output, concurrency=max(1, concurrency // replicas)
    )
    tpot = row.get("median_tpot_ms") or row.get("mean_tpot_ms")
    said = f"{row.get('other_args') or ''} {row.get('notes') or ''}"
    return MeasuredRun(
        label=row["id"],
        model=row["config"].split("+")[0].removesuffix("-FP8"),
        series=" ".join(str(row.get(k)) for k in ("config", "gpu", "tensor_parallel_size", "pipeline_parallel_size"))
        + row["source"][:12],
        gpu=parts.question.deployment.gpu,
        speed=speed_of(parts),
        load=load,
        fits=batches_of(parts, load).expected,
        eager="enforce-eager" in said,
        output_tokens_per_s=row["output_tokens_per_s"] / replicas,
        tpot=tpot / 1e3 if tpot else None,
        ttft=ttft / 1e3 if ttft and concurrency <= 4 else None,
    )


def report(title: str, runs: Sequence[MeasuredRun], constants_of: Callable[[MeasuredRun], Efficiency]) -> None:
    """Median and 90th percentile factor, and the 10 % and 90 % quantiles of measured over predicted."""
    found: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        for quantity, error in errors(run, predicted(run, constants_of(run))).items():
            found[quantity].append(error)
    for quantity, each in found.items():
        sizes = [abs(error) for error in each]
        low, high = (exp(quantile([-error for error in each], share)) for share in (0.1, 0.9))
        print(
            f"{title:24} {quantity:20} n {len(each):4}  median {exp(quantile(sizes, 0.5)):.2f}  "
            f"p90 {exp(quantile(sizes, 0.9)):.2f}  measured/predicted {low:.2f} to {high:.2f}"
        )


def main() -> None:
    """Print the fitted constants and the errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("configs", type=Path)
    parser.add_argument("--leave-out", action="store_true", help="also fit without each model and predict it")
    given = parser.parse_args()
    runs: list[MeasuredRun] = []
    for line in given.runs.read_text().splitlines():
        row = json.loads(line)
        try:
            run = read_run(row, given.configs)
        except VramError as error:
            print(f"# not used: {row['id']}: {error}")
            continue
        if run is not None:
            runs.append(run)
    fitted = fit_speed(runs)
    for family, constants in fitted.items():
        print(family or "all", {name: float(f"{value:.3g}") for name, value in asdict(constants).items()})
    report("as shipped", runs, lambda run: efficiency_of(run.gpu.family))
    for family in sorted({run.gpu.family for run in runs}):
        of_family = [run for run in runs if run.gpu.family == family]
        report(f"  {family}", of_family, lambda run: efficiency_of(run.gpu.family))
    report("fitted to all", runs, lambda run: fitted[run.gpu.family])
    if given.leave_out:
        apart: dict[str, dict[str, Efficiency]] = {}
        for model in sorted({run.model for run in runs}):
            apart[model] = fit_speed([run for run in runs if run.model != model])
            report(model[-24:], [run for run in runs if run.model == model], lambda run: _of(apart[run.model], run))
        report("each model left out", runs, lambda run: _of(apart[run.model], run))


def _of(constants: dict[str, Efficiency], run: MeasuredRun) -> Efficiency:
    return constants.get(run.gpu.family, constants[""])


if __name__ == "__main__":
    main()
