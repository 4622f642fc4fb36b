"""Fit the constants of overhead_profiles/*.toml to recorded start-up logs, and print what they do not explain.

usage: python tests/calibration/fit_logs.py LOGS.jsonl CONFIGS [--write overhead_profiles]

LOGS has one start-up per line (model config's folder name, GPU, engine arguments under vLLM's names, and the numbers
vLLM logged in GiB); CONFIGS has one folder per model. Not shipped: run by people who have logs. Logs whose version or
parallel size is not stated say nothing about a version's constants and are left out, and so are those of 0.8 to 0.11.0,
where it cannot be known whether FlashInfer sampled. The starts of `measured/`, which this project measured itself, are added.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from vram.ask.asking import ask
from vram.errors import VramError
from vram.estimate.cache.workspace import loaded_workspace_bytes
from vram.estimate.memory.budget import budget_bytes
from vram.estimate.memory.profile_run import ProfileRun, profile_run
from vram.estimate.parts import compute
from vram.estimate.question import Question
from vram.estimate.weights.ranks import Parallelism
from vram.estimate.weights.resolved import resolve
from vram.models.deployment import ENGINE_DEFAULTS
from vram.models.profile import Constant
from vram.models.record import frozen
from vram.profiles.write import constants_text
from vram.units import GIB, gib
from vram_plugins.calibrate.fit import Observation, Quantity, Residual, fit, leave_out, residuals, unexplained
from vram_plugins.calibrate.least_squares import quantile

#: what a log may state besides vLLM's own names
OTHER_NAMES = {"expert_parallel": "enable_expert_parallel"}
MEASURED = Path(__file__).parent / "measured"
KV_DTYPES = ("auto", "fp8", "fp8_e4m3", "fp8_e5m2", "bfloat16", "float16", "fp8_ds_mla")
MARKER = "# Constants fitted to logged start-ups by tests/calibration/fit_logs.py"
SOURCE = "fitted to public start-up logs and to starts measured here"
QUANTITIES: tuple[Quantity, ...] = ("activation_peak", "cuda_graphs", "non_torch", "other")


def observations(logs: Path, configs: Path) -> Iterator[tuple[str, Observation]]:
    """(profile name, observation) of every log that can be used, and of what was measured here."""
    for lines, folder in ((logs, configs), (MEASURED / "starts.jsonl", MEASURED / "configs")):
        for line in lines.read_text().splitlines():
            row = json.loads(line)
            try:
                yield from _of_row(row, folder)
            except VramError as error:
                print(f"# not used: {row['id']}: {error}")


@frozen(kw_only=True, eq=False)
class Posed:
    """A log as a question; `weights` are the loaded bytes it states, or that are predicted."""

    question: Question
    run: ProfileRun
    weights: int


def vendor_of(row: dict[str, Any]) -> str:
    """Whose GPU a log is of."""
    return row.get("vendor") or ("amd" if str(row["gpu"]).startswith("MI") else "nvidia")


def posed(row: dict[str, Any], configs: Path, vendor: str = "nvidia") -> Posed | None:
    """The question a log of that vendor's GPUs answers, with all it states; None where that is not enough. Raises VramError."""
    version, config = row.get("vllm_version"), row.get("config")
    unstated = row.get("tensor_parallel_size") is None and row.get("n_gpus") != 1
    if not version or not config or not row.get("gpu") or unstated:
        return None
    if vendor_of(row) != vendor or not (configs / config / "config.json").exists():
        return None
    stated = {OTHER_NAMES.get(name, name): value for name, value in row.items() if value is not None}
    args = {name: stated[name] for name in ENGINE_DEFAULTS if name in stated and name not in ("dtype", "quantization")}
    if args.get("kv_cache_dtype") not in KV_DTYPES:
        args.pop("kv_cache_dtype", None)
    if row.get("flashinfer_sampler") is not None:
        args["environment"] = {"VLLM_USE_FLASHINFER_SAMPLER": str(int(row["flashinfer_sampler"]))}
    asked = ask(configs / config, gpu=row["gpu"], gpu_memory_gib=row.get("gpu_total_gib"), vllm_version=version, **args)
    parallel = Parallelism.of_args(asked.deployment.args)
    model = resolve(asked.spec, asked.quantization)
    parts = compute(asked)
    loaded, workspace = parts.weights_bytes, loaded_workspace_bytes(asked.spec, parts.context)
    if row.get("weights_gib") and row.get("weights_comparable"):
        loaded = gib(row["weights_gib"])
    run = profile_run(model, asked.deployment, parallel, asked.profile, workspace)
    return Posed(question=asked, run=run, weights=loaded)


def _of_row(row: dict[str, Any], configs: Path) -> Iterator[tuple[str, Observation]]:
    found = posed(row, configs)
    if found is None or row.get("unscored"):
        return
    asked, run = found.question, found.run
    if not row.get("weights_gib") and row.get("weights_comparable"):
        row = {**row, "weights_gib": found.weights / GIB}
    budget = budget_bytes(asked.deployment.gpu_memory_bytes, asked.deployment.gpu_memory_utilization, asked.behaviour)
    for quantity, value in _values(row, run, budget):
        yield (
            asked.profile.name,
            Observation(
                quantity=quantity,
                value=value,
                run=run,
                label=f"{row['id']} {row['config']} {row['gpu']} {row['vllm_version']}",
                model=row["config"],
                gpu=asked.hardware.gpu.name,
                source=row["id"].split("-")[0],
                group=f"{row['config']} {row['gpu']} {run.version[:2]} {run.tp}",
            ),
        )


def _values(row: dict[str, Any], run: ProfileRun, budget: int) -> Iterable[tuple[Quantity, int]]:
    """What the row says; the first pipeline rank's activation peak is no statement about the last, which samples."""
    open_question = not run.v0_engine and (0, 8, 0) <= run.version < (0, 11, 1)
    weights, available = row.get("weights_gib"), row.get("available_kv_gib")
    if row.get("activation_peak_gib") and run.pp == 1 and row.get("dtype") != "f32":
        yield "activation_peak", gib(row["activation_peak_gib"])
    if row.get("non_torch_gib") and run.pp == 1 and not run.v0_engine:
        yield "non_torch", gib(row["non_torch_gib"])
    if (row.get("cuda_graph_gib") or 0) > 0 and not (0, 11, 0) <= run.version < (0, 17, 0):
        yield "cuda_graphs", gib(row["cuda_graph_gib"])
    if weights and available is not None and not open_question and not run.v0_engine:
        yield "other", budget - gib(available) - gib(weights)


def table(title: str, found: Iterable[Residual]) -> None:
    """Median, 90th percentile and worst absolute error per quantity, in GiB."""
    by_quantity = defaultdict(list)
    for residual in found:
        by_quantity[residual.observation.quantity].append(abs(residual.error) / GIB)
    print(f"# {title}")
    for quantity in QUANTITIES:
        errors = by_quantity[quantity]
        if errors:
            half, most = quantile(errors, 0.5), quantile(errors, 0.9)
            print(f"#   {quantity:16} n {len(errors):4}  median {half:6.3f}  p90 {most:6.3f}  worst {max(errors):6.3f}")


def write(folder: Path, profile: str, constants: Iterable[Constant]) -> None:
    """Replace what an earlier run appended to the profile's file."""
    path = folder / f"{profile}.toml"
    kept = path.read_text().split(MARKER)[0].rstrip()
    path.write_text(f"{kept}\n\n{MARKER}\n{constants_text(constants)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path)
    parser.add_argument("configs", type=Path)
    parser.add_argument("--write", type=Path)
    chosen = parser.parse_args()
    by_profile: dict[str, list[Observation]] = defaultdict(list)
    for profile, observation in observations(chosen.logs, chosen.configs):
        by_profile[profile].append(observation)
    fitted: list[Residual] = []
    models: list[Residual] = []
    sources: list[Residual] = []
    for profile, seen in sorted(by_profile.items()):
        constants = fit(seen, source=SOURCE)
        left = residuals(seen, constants)
        table(f"{profile}, fitted", left)
        for residual in unexplained(left):
            print(
                f"#     {residual.error / GIB:+.2f} GiB {residual.observation.quantity}: {residual.observation.label}"
            )
        fitted += left
        models += leave_out(seen, lambda one: one.model, source=SOURCE)
        sources += leave_out(seen, lambda one: one.source, source=SOURCE)
        if chosen.write:
            write(chosen.write, profile, constants)
        else:
            print(constants_text(constants))
    table("all profiles, fitted", fitted)
    table("all profiles, each model left out", models)
    table("all profiles, each source left out", sources)


if __name__ == "__main__":
    main()
