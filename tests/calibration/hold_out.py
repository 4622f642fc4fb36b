"""How well intervals hold where nobody has looked: each model, GPU or version left out of the fit, and then predicted.

usage: python tests/calibration/hold_out.py LOGS.jsonl CONFIGS [--by model gpu version] [--rows] [--vendor amd]
                                           [--page docs/explanation/accuracy.md]

Prints, per what was left out and per group of what makes a start hard to predict, how many logged pools lie inside the 90 %
interval, how wide it is, and how far the expected value is off, in percent of the GPU's memory; and the factor by which intervals
of the group must be widened to hold nine of ten (split conformal: the residual over its side of the interval, its 90 % rank among
n + 1). One vote per model, GPU, version and arguments. Not shipped: run by people who have logs. Of AMD's GPUs few are logged: what is
neither weights nor the profiled peak is fitted anew at one GPU and, per pair of GPUs, at several; the rest stays.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import fit_logs

from vram.errors import VramError
from vram.estimate.memory.activations import activation_peak
from vram.estimate.memory.overhead import component_overhead
from vram.estimate.memory.profile_run import ProfileRun
from vram.estimate.question import Question
from vram.models.profile import Constant
from vram.models.record import evolve, frozen
from vram.units import GIB
from vram_plugins.calibrate.fit import Observation, fit


@frozen(kw_only=True, eq=False)
class Start:
    """One logged start: the question it answers, its run, and the pool it printed, in bytes."""

    label: str
    model: str
    question: Question
    run: ProfileRun
    weights: int
    pool: int

    @property
    def key(self) -> tuple[str, str]:
        """What has one vote."""
        args = self.question.deployment.args
        return (f"{self.model} {self.question.hardware.gpu.name} {self.run.version}", str(args))


@frozen(kw_only=True, eq=False)
class Held:
    """How one start came out, in shares of the GPU's memory; `reach` is how many times as wide its interval had to be."""

    start: Start
    inside: bool
    width: float
    error: float
    reach: float


def starts(logs: Path, configs: Path, vendor: str = "nvidia") -> Iterator[Start]:
    """Every log that states what the score needs."""
    for line in logs.read_text().splitlines():
        row = json.loads(line)
        if row.get("available_kv_gib") is None or not row.get("weights_comparable") or row.get("unscored"):
            continue
        try:
            posed = fit_logs.posed(row, configs, vendor)
        except VramError:
            continue
        if posed is not None:
            yield Start(
                label=f"{row['id']} {row['config']} {row['gpu']} {row['vllm_version']}",
                model=row["config"],
                question=posed.question,
                run=posed.run,
                weights=posed.weights,
                pool=int(row["available_kv_gib"] * GIB),
            )


def unlogged(start: Start) -> Start:
    """The start as of a GPU that no log is of."""
    deployment = start.question.deployment
    gpu = evolve(deployment.gpu, logged=False)
    return evolve(start, question=evolve(start.question, deployment=evolve(deployment, gpu=gpu)))


def outcome(start: Start, constants: tuple[Constant, ...]) -> Held:
    """The start predicted with these constants."""
    run = evolve(start.run, profile=evolve(start.run.profile, constants=constants))
    found = component_overhead(start.question, start.weights, run).kv_cache_available
    memory = start.question.deployment.gpu_memory_bytes
    off, rounded = start.pool - found.expected, GIB // 200
    side = found.high - found.expected if off > 0 else found.expected - found.low
    return Held(
        start=start,
        inside=found.low - rounded <= start.pool <= found.high + rounded,
        width=(found.high - found.low) / memory,
        error=-off / memory,
        reach=max(0, abs(off) - rounded) / max(side, rounded),
    )


def left_out(
    seen: Iterable[tuple[str, Observation]],
    asked: Iterable[Start],
    of_start: Callable[[Start], str],
    of_log: Callable[[Observation], str],
) -> list[Held]:
    """Each start with constants fitted to the logs of its GPU family that do not share what `of_start` names."""
    by_profile: dict[str, list[Observation]] = defaultdict(list)
    for profile, observation in seen:
        by_profile[profile].append(observation)
    groups: dict[tuple[str, str], list[Start]] = defaultdict(list)
    for start in asked:
        groups[start.question.profile.name, of_start(start)].append(start)
    held = []
    for (profile, name), members in sorted(groups.items()):
        kept = [one for one in by_profile[profile] if of_log(one) != name]
        constants = fit(kept, source="") if kept else ()
        held += [outcome(start, constants) for start in members]
    return held


def refitted(constants: Iterable[Constant], kept: Iterable[Start]) -> tuple[Constant, ...]:
    """A profile's constants with those of memory outside the allocator as these starts have it: the median over what is left of the
    budget beside pool, weights and peak at one GPU, and the median of what several need more, per pair of them.
    """
    alone: list[float] = []
    pairs: list[tuple[int, float]] = []
    for start in kept:
        deployment = start.question.deployment
        budget = deployment.gpu_memory_bytes * deployment.gpu_memory_utilization
        rest = budget - start.pool - start.weights - activation_peak(start.run).expected
        count = start.run.tp * (start.run.tp - 1) // 2
        (pairs.append((count, rest)) if count else alone.append(rest))
    own = {one.name: one for one in constants if one.name in ("non_torch_bytes", "tensor_parallel_pair_bytes")}
    values = {"non_torch_bytes": statistics.median(alone)} if alone else {}
    base = values.get("non_torch_bytes", own["non_torch_bytes"].value)
    if pairs and "tensor_parallel_pair_bytes" in own:
        values["tensor_parallel_pair_bytes"] = max(0.0, statistics.median((rest - base) / n for n, rest in pairs))
    return tuple(_moved(one, values[one.name]) if one.name in values and one.name in own else one for one in constants)


def _moved(constant: Constant, value: float) -> Constant:
    """With its ends as far from it as they were."""
    return evolve(
        constant, value=value, low=value + constant.low - constant.value, high=value + constant.high - constant.value
    )


def left_out_of_few(asked: Iterable[Start], of_start: Callable[[Start], str]) -> list[Held]:
    """As `left_out`, by `refitted`."""
    starts_of: dict[str, list[Start]] = defaultdict(list)
    for start in asked:
        starts_of[start.question.profile.name].append(start)
    held = []
    for members in starts_of.values():
        constants = tuple(members[0].run.profile.constants)
        for name in sorted({of_start(one) for one in members}):
            kept = [one for one in members if of_start(one) != name]
            held += [outcome(one, refitted(constants, kept)) for one in members if of_start(one) == name]
    return held


def hardness(start: Start) -> Iterator[str]:
    """The groups a start counts in."""
    run = start.run
    yield "all"
    yield "V0" if run.v0_engine else "V2 runner" if run.v2_runner else "V1 runner"
    yield "experts" if run.shapes.experts else "dense"
    if run.shapes.gated_delta_layers or run.shapes.mamba_layers:
        yield "recurrent"
    yield "one GPU" if run.tp * run.pp == 1 else "several GPUs"
    if run.encoders:
        yield "image or audio tower"
    if run.nccl:
        yield "several GPUs over PCIe"
    if run.version >= (0, 26, 0):
        yield "since 0.26"


@frozen(kw_only=True)
class Line:
    """One group of one table. `factor` is None where too few starts tell."""

    left_out: str
    group: str
    inside: int
    of: int
    width: float
    median: float
    p90: float
    factor: float | None


def table(name: str, held: Iterable[Held]) -> Iterator[Line]:
    """Coverage, median width and the error's median and 90th percentile per group; one vote per distinct start."""
    votes: dict[str, dict[Any, list[Held]]] = defaultdict(lambda: defaultdict(list))
    for one in held:
        for group in hardness(one.start):
            votes[group][one.start.key].append(one)
    for group, found in votes.items():
        runs = [sorted(ones, key=lambda one: one.error)[(len(ones) - 1) // 2] for ones in found.values()]
        errors, reach = sorted(abs(one.error) for one in runs), sorted(one.reach for one in runs)
        rank = -(-9 * (len(runs) + 1) // 10)  # of one more start like these, nine of ten lie within
        yield Line(
            left_out=name,
            group=group,
            inside=sum(one.inside for one in runs),
            of=len(runs),
            width=statistics.median(one.width for one in runs),
            median=statistics.median(errors),
            p90=errors[min(len(errors) - 1, -(-9 * len(errors) // 10) - 1)],
            factor=reach[rank - 1] if rank <= len(runs) else None,
        )


def cells(line: Line) -> tuple[str, ...]:
    """A line in words."""
    return (
        line.left_out,
        line.group,
        f"{line.inside} of {line.of} ({line.inside / line.of:.0%})".replace("%", " %"),
        f"{line.width:.2%}".replace("%", " %"),
        f"{line.median:.2%}, {line.p90:.2%}".replace("%", " %"),
        "too few" if line.factor is None else f"{line.factor:.2f}",
    )


HEAD = ("left out", "group", "inside", "width", "error: median, 90th percentile", "conformal")


def on_page(page: Path, lines: Iterable[Line]) -> None:
    """Replace the page's table, the one that begins with these headings."""
    text = page.read_text()
    head = "| " + " | ".join(HEAD[:5])
    before, after = text[: text.index(head)], text[text.index(head) :]
    rest = after[after.index("\n\n") :]
    rows = (HEAD, ("---",) * len(HEAD), *map(cells, lines))
    page.write_text(before + "\n".join("| " + " | ".join(row) + " |" for row in rows) + rest)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("logs", type=Path)
    parser.add_argument("configs", type=Path)
    parser.add_argument("--by", nargs="*", default=["model", "gpu", "version"])
    parser.add_argument("--rows", action="store_true")
    parser.add_argument("--vendor", default="nvidia", choices=("nvidia", "amd"))
    parser.add_argument("--page", type=Path, help="write the tables into this page, docs/explanation/accuracy.md")
    chosen = parser.parse_args()
    seen = list(fit_logs.observations(chosen.logs, chosen.configs)) if chosen.vendor == "nvidia" else []
    asked = list(starts(chosen.logs, chosen.configs, chosen.vendor))
    lines = list(table("nothing", [outcome(one, tuple(one.run.profile.constants)) for one in asked]))
    keys: dict[str, tuple[Callable[[Start], str], Callable[[Observation], str]]] = {
        "model": (lambda one: one.model, lambda one: one.model),
        "gpu": (lambda one: one.question.hardware.gpu.name, lambda one: one.gpu),
        "version": (lambda one: str(one.run.version[:2]), lambda one: str(one.run.version[:2])),
    }
    for name in chosen.by:
        those = [unlogged(one) for one in asked] if name == "gpu" else asked
        held = (
            left_out(seen, those, *keys[name]) if chosen.vendor == "nvidia" else left_out_of_few(those, keys[name][0])
        )
        lines += table(f"each {name}", held)
        for one in held if chosen.rows else ():
            if not one.inside:
                print(f"# each {name}: {one.error:+.2%} {one.start.label}")
    for line in lines:
        print("  ".join(f"{cell:24}" for cell in cells(line)))
    if chosen.page:
        on_page(chosen.page, lines)


if __name__ == "__main__":
    main()
