"""`vram calibrate`: measure this machine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from vram.errors import InputError

if TYPE_CHECKING:
    from vram.models.detected import DetectedGpu
    from vram_plugins.calibrate.matrix import Trial
    from vram_plugins.calibrate.measure import Calibration


@click.command("calibrate")
@click.option("--plan", is_flag=True, help="Show what would be started and how long it takes; start nothing.")
@click.option("--save", "name", metavar="NAME", default="this-machine", show_default=True, help="Name of the profile.")
@click.option("--only", multiple=True, metavar="TRIAL", help="Only this trial of the plan; may be repeated.")
@click.option("--gpus", type=click.IntRange(1, 1024), default=None, help="GPUs to use; default: all of this machine.")
@click.option("--python", metavar="PATH", default=None, help="Interpreter that has vLLM; default: this one.")
@click.option(
    "--keep", type=click.Path(file_okay=False, path_type=Path), default=None, help="Keep configs and logs here."
)
@click.option(
    "--logs", type=click.Path(exists=True, file_okay=False, path_type=Path), default=None,
    help="Fit to what --keep kept; needs no GPU.",
)  # fmt: skip
@click.option("--gpu", default=None, help="With --logs: the GPU they are of, where they do not say.")
def command(
    plan: bool,
    name: str,
    only: tuple[str, ...],
    gpus: int | None,
    python: str | None,
    keep: Path | None,
    logs: Path | None,
    gpu: str | None,
) -> None:
    """Start vLLM on this machine with small made-up models, and fit an overhead profile to what it logs.

    No weights are downloaded. The profile is used with --profile NAME.

    \b
    vram calibrate --plan
    vram calibrate --save my-h200
    vram estimate Qwen/Qwen3-8B --profile my-h200
    """
    from vram.plugin import plugins
    from vram.profiles import check_name

    check_name(name, taken=tuple(plugins().profiles))
    if logs is not None:
        from vram_plugins.calibrate.measure import fit_trials

        _finish(fit_trials(logs, name, gpu=gpu))
        return
    detected = _detected(required=not plan)
    count = gpus or len(detected) or 1
    if not plan and count > len(detected):
        raise InputError(name="gpus", value=gpus, problem=f"this machine has {len(detected)}")
    chosen = _chosen(count, detected, only)
    if plan:
        _print_plan(chosen, count, measured=bool(detected))
        return
    _measure(chosen, detected, name, python or sys.executable, keep)


def _detected(*, required: bool) -> tuple[DetectedGpu, ...]:
    """This machine's GPUs; none where they are not needed. Raises CalibrationError."""
    from vram.errors import CalibrationError, DetectionError
    from vram.gpus import detect_gpus

    try:
        return detect_gpus()
    except DetectionError as error:
        if not required:
            return ()
        step = "Run this where vLLM will serve; `vram calibrate --plan` shows what it does."
        raise CalibrationError(problem=f"no GPU here: {error.data['problem']}", next=step) from None


def _chosen(count: int, detected: tuple[DetectedGpu, ...], only: tuple[str, ...]) -> tuple[Trial, ...]:
    from vram.errors import UnknownNameError
    from vram_plugins.calibrate.matrix import trials

    capability = (detected[0].compute_capability if detected else None) or (8, 0)
    planned = trials(count, capability=capability)
    for wanted in only:
        if wanted not in {trial.name for trial in planned}:
            raise UnknownNameError(kind="trial", name=wanted, known=tuple(trial.name for trial in planned))
    return tuple(trial for trial in planned if not only or trial.name in only)


def _print_plan(chosen: tuple[Trial, ...], count: int, *, measured: bool) -> None:
    from vram.report import print_rows

    rows = [
        (
            trial.name,
            f"{trial.config['vocab_size']:,}",
            f"{trial.max_num_seqs:,}",
            f"{trial.max_num_batched_tokens:,}",
            str(trial.tensor_parallel_size),
            trial.shows,
            f"{trial.seconds} s",
        )
        for trial in chosen
    ]
    print_rows(("trial", "vocab", "seqs", "tokens", "TP", "shows", "takes"), rows)
    total = sum(trial.seconds for trial in chosen)
    plural = "" if count == 1 else "s"
    click.echo(
        f"{len(chosen)} starts of vLLM on {count} GPU{plural}, about {total / 60:.0f} minutes. Nothing is downloaded."
    )
    if not measured:
        click.echo("This machine has no GPU that can be read; the plan is for one of 16 GiB or more.")


def _measure(
    chosen: tuple[Trial, ...], detected: tuple[DetectedGpu, ...], name: str, python: str, keep: Path | None
) -> None:
    import tempfile
    from contextlib import nullcontext

    from vram.gpus import known_gpu
    from vram.plugin import plugins
    from vram_plugins.calibrate.measure import Machine, fit_trials, run_trials
    from vram_plugins.calibrate.start import vllm_version

    first = detected[0]
    total = first.cuda_total_bytes or first.total_bytes
    machine = Machine(
        gpu=known_gpu(first, plugins().profiles).name,
        vllm_version=vllm_version(python),
        gpu_memory_gib=total / 2**30 if total else None,
    )
    click.echo(f"vLLM {machine.vllm_version} on {machine.gpu}; Ctrl-C ends it and leaves nothing running.", err=True)
    free = min(
        (gpu.free_bytes / gpu.total_bytes for gpu in detected if gpu.free_bytes and gpu.total_bytes), default=None
    )
    folder = nullcontext(str(keep)) if keep else tempfile.TemporaryDirectory(prefix="vram-calibrate-")
    with folder as place:
        run_trials(
            chosen, machine, Path(place), python=python, free_share=free, tell=lambda text: click.echo(text, err=True)
        )
        _finish(fit_trials(Path(place), name, gpu=machine.gpu))


def _finish(result: Calibration) -> None:
    """Store the profile and show how well it explains the trials."""
    from vram.profiles import save_profile
    from vram.report import print_rows
    from vram.units import GIB

    path = save_profile(result.profile)
    rows = [
        (one.observation.label, one.observation.quantity.replace("_", " "), f"{one.observation.value / GIB:.3f}", f"{one.error / GIB:+.3f}")
        for one in result.left_over
    ]  # fmt: skip
    print_rows(("trial", "quantity", "measured GiB", "fitted less measured"), rows)
    for failure in result.failures:
        click.echo(f"Not used: {failure}", err=True)
    worst = max((abs(one.error) for one in result.left_over), default=0)
    click.echo(f"{len(result.profile.constants)} constants fitted, at most {worst / GIB:.2f} GiB off. Saved to {path}.")
    click.echo(f"Use it: vram estimate MODEL --profile {result.profile.name}")
