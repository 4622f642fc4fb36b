"""Measure this machine: start every trial, read its log, fit the constants."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vram.ask import ask
from vram.errors import CalibrationError, VramError
from vram.models.deployment import EngineArgs
from vram.models.profile import OverheadProfile
from vram.models.record import field, frozen
from vram_plugins.calibrate.fit import Observation, Residual, fit, residuals
from vram_plugins.calibrate.matrix import Trial
from vram_plugins.calibrate.observe import observations_of
from vram_plugins.calibrate.start import start_vllm
from vram_plugins.logs.parse import read_log

LOG = "vllm.log"
_FACTS = "trial.json"
_PATIENCE = 8  # times the expected duration
_UTILIZATION = 0.9
_LEAST_UTILIZATION = 0.2
_LARGEST_FACTS = 1 << 20


@frozen(kw_only=True)
class Machine:
    """What is measured: the GPU by its name, its memory in GiB where known, and vLLM's version."""

    gpu: str
    vllm_version: str
    gpu_memory_gib: float | None = None


@frozen(kw_only=True)
class Calibration:
    """The fitted profile, how far it is off each observation, and what did not work."""

    profile: OverheadProfile
    left_over: tuple[Residual, ...]
    failures: tuple[str, ...] = ()
    observations: tuple[Observation, ...] = field(default=(), repr=False)


Tell = Callable[[str], None]
Start = Callable[[Path, dict[str, Any], Path, float], None]


def run_trials(
    planned: Sequence[Trial], machine: Machine, folder: Path, *, python: str, free_share: float | None, tell: Tell
) -> None:
    """Start every trial; its config, arguments and log stay in a folder of its name under `folder`.

    A trial that fails is told; what its log has is used all the same. Raises CalibrationError where the GPU has no room, KeyboardInterrupt.
    """

    def start(model: Path, engine_args: dict[str, Any], log: Path, seconds: float) -> None:
        start_vllm(python, model, engine_args, log, seconds=seconds)

    run_with(start, planned, machine, folder, free_share=free_share, tell=tell)


def run_with(
    start: Start,
    planned: Sequence[Trial],
    machine: Machine,
    folder: Path,
    *,
    free_share: float | None,
    tell: Tell,
) -> None:
    """As `run_trials`, with any way to start vLLM."""
    utilization = _utilization(free_share)
    for number, trial in enumerate(planned, 1):
        tell(f"{number}/{len(planned)} {trial.name}: {trial.shows}, about {trial.seconds} s")
        place = folder / trial.name
        place.mkdir(parents=True, exist_ok=True)
        (place / "config.json").write_text(json.dumps(trial.config, indent=1))
        arguments = {**trial.engine_args, "gpu_memory_utilization": utilization}
        facts = {
            "engine_args": arguments,
            "gpu": machine.gpu,
            "gpu_memory_gib": machine.gpu_memory_gib,
            "vllm_version": machine.vllm_version,
        }
        (place / _FACTS).write_text(json.dumps(facts, indent=1))
        try:
            start(place, arguments, place / LOG, trial.seconds * _PATIENCE)
        except CalibrationError as error:
            tell(f"  failed: {error}")


def _utilization(free_share: float | None) -> float:
    """A share of the memory that vLLM gets even beside what others hold. Raises CalibrationError."""
    if free_share is None:
        return _UTILIZATION
    share = min(_UTILIZATION, math.floor(100 * free_share - 1) / 100)
    if share < _LEAST_UTILIZATION:
        step = (
            "End the processes that hold it (nvidia-smi names them), or choose another GPU with CUDA_VISIBLE_DEVICES."
        )
        raise CalibrationError(problem=f"only {100 * free_share:.0f} % of the GPU's memory is free", next=step)
    return share


def fit_trials(folder: Path, name: str, *, gpu: str | None = None) -> Calibration:
    """Fit a profile to the logs of earlier trials under `folder`. Raises CalibrationError where none can be used."""
    seen: list[Observation] = []
    failures: list[str] = []
    machine: Machine | None = None
    for place in _places(folder):
        try:
            found, machine = _observed(place, gpu)
        except VramError as error:
            failures.append(f"{place.name}: {error}")
            continue
        seen += found
    if not seen or machine is None:
        why = f" ({failures[0]})" if failures else ""
        step = "A folder of earlier trials has one folder per trial with config.json, trial.json and vllm.log."
        raise CalibrationError(problem=f"no trial under {folder} could be used{why}", next=step)
    trials = len({one.label for one in seen})
    source = f"vram calibrate: {trials} starts of vLLM {machine.vllm_version} on {machine.gpu}"
    constants = fit(seen, source=source)
    profile = OverheadProfile(
        name=name,
        description=f"Measured on {machine.gpu} with vLLM {machine.vllm_version}",
        source=source,
        gpu=machine.gpu,
        constants=constants,
    )
    return Calibration(
        profile=profile,
        left_over=residuals(seen, constants),
        failures=tuple(failures),
        observations=tuple(seen),
    )


def _places(folder: Path) -> list[Path]:
    try:
        return sorted(place for place in folder.iterdir() if (place / LOG).is_file())
    except OSError as error:
        step = "Give the folder that --keep wrote."
        problem = f"{folder} cannot be read ({error.strerror or error})"
        raise CalibrationError(problem=problem, next=step) from None


def _observed(place: Path, gpu: str | None) -> tuple[tuple[Observation, ...], Machine]:
    """The observations of one trial and where it ran. Raises VramError."""
    facts = _facts(place / _FACTS)
    start = read_log(place / LOG).last
    total = start.largest("total_bytes")
    stated = facts.get("gpu_memory_gib")
    name, version = gpu or facts.get("gpu"), facts.get("vllm_version") or start.version
    if not isinstance(name, str) or not isinstance(version, str):
        raise CalibrationError(problem=f"{place / _FACTS} names no GPU or version", next="Add --gpu.")
    memory = total / 2**30 if total else stated if isinstance(stated, int | float) else None
    args = facts.get("engine_args")
    arguments = args if isinstance(args, dict) else dict(start.arguments)
    EngineArgs.from_mapping(arguments)  # a name that is none of vLLM's must not pass for one of ours
    question = ask(place, gpu=name, gpu_memory_gib=memory, vllm_version=version, **arguments)
    found = observations_of(question, start, label=place.name, source="this machine")
    if not found:
        raise CalibrationError(problem="the log has no memory figures", next="It may have failed; see the log.")
    return found, Machine(gpu=question.deployment.gpu.name, vllm_version=version, gpu_memory_gib=memory)


def _facts(path: Path) -> dict[str, Any]:
    """What was noted beside a log; nothing where there is no such file. Raises CalibrationError."""
    try:
        with open(path, "rb") as file:
            facts = json.loads(file.read(_LARGEST_FACTS))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        step = "Measure again, or remove this folder."
        raise CalibrationError(problem=f"{path} cannot be read ({type(error).__name__})", next=step) from None
    return facts if isinstance(facts, dict) else {}
