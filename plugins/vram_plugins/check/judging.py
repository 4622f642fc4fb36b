"""From an answer to whether it passes: the failing check in words, and the change that gives up least."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from vram.models.estimate import Change, Estimate
from vram.serving import ServeCommand
from vram.units import counted, format_gib

_DOUBT = "Too close to be sure"
_LAYOUT = frozenset({"tensor_parallel_size", "pipeline_parallel_size"})
#: arguments of a change that are no flags of vLLM's, or that a file has in other places
_ELSEWHERE = ("model", "gpu", "vllm_version", "concurrency")


def passes(estimate: Estimate, *, accept_borderline: bool) -> bool:
    """Whether `vram estimate --check` would exit with 0."""
    sure = estimate.verdict.certainty != "borderline" or accept_borderline
    return estimate.verdict.fits and sure


def problem_of(estimate: Estimate, headroom_gib: float) -> str:
    """Why it does not pass: vLLM's own words where it refuses."""
    verdict = estimate.verdict
    failed = next((check.message for check in verdict.checks if not check.passed), "")
    if verdict.certainty == "borderline":
        doubt = next((warning for warning in verdict.warnings if warning.startswith(_DOUBT)), _DOUBT)
        return doubt.rstrip(".")
    if not verdict.starts:
        return failed.rstrip(".")
    facts = estimate.deployment
    work = f"{facts.concurrency:,} × {facts.max_model_len:,} tokens"
    headroom = estimate.memory.headroom.expected
    if headroom < 0:
        return f"{work} need {format_gib(-headroom)} more than there is"
    if headroom < headroom_gib * 2**30:
        return f"{work} leave {format_gib(headroom)} free, less than the {headroom_gib:g} GiB of headroom to keep"
    return f"the KV cache has no room for {work} at once"


def change_of(estimate: Estimate, gpus: int | None) -> str | None:
    """The change that gives up least and with which it starts and fits; None where the search found none.

    `gpus` are those that the file gives: more of them are part of the change, and idle ones cost nothing.
    """
    changes, idle = estimate.verdict.changes, (gpus or 0) > _ranks(estimate)
    spread = (change for change in changes if _LAYOUT & change.arguments.keys() and "gpu" not in change.arguments)
    least = next((change for change in spread if idle and _ranks(estimate, change) <= (gpus or 0)), None)
    return _words(least or changes[0], estimate, gpus) if changes else None


def repair_of(command: ServeCommand, estimate: Estimate, gpus: int | None, *, passing: bool) -> str | None:
    """The change for a command that vLLM refuses before memory matters, where all else of it passes."""
    if not passing:
        return None
    if command.refusals:
        flags = [word.partition("=")[0] for word in command.unknown]
        return f"without {' '.join(flags)}" if flags and len(flags) == len(command.refusals) else None
    return f"on {counted(_ranks(estimate), 'GPU')}" if gpus is not None else None


def _words(change: Change, estimate: Estimate, gpus: int | None) -> str:
    flags = change.words
    for name in _ELSEWHERE:
        if name in change.arguments:
            spelled = f"--{name.replace('_', '-')} {shlex.quote(str(change.arguments[name]))}"
            flags = flags.replace(spelled, "")
    return ", ".join(part for part in (" ".join(flags.split()), *_elsewhere(change, estimate, gpus)) if part)


def _elsewhere(change: Change, estimate: Estimate, gpus: int | None) -> Iterator[str]:
    """What of a change is said outside the flags: the model, hardware, release, work."""
    arguments, ranks = change.arguments, _ranks(estimate, change)
    if "model" in arguments:
        yield f"with {arguments['model']} as the model"
    if "gpu" in arguments:
        yield f"on {f'{ranks} × ' if ranks > 1 else ''}{arguments['gpu']}"
    elif ranks > (gpus if gpus is not None else _ranks(estimate)):
        yield f"on {counted(ranks, 'GPU')}"
    if arguments.get("vllm_version"):
        yield f"with vLLM {arguments['vllm_version']}"
    if arguments.get("concurrency"):
        yield f"for {arguments['concurrency']:,} request{'s' * (arguments['concurrency'] != 1)} at once"


def _ranks(estimate: Estimate, change: Change | None = None) -> int:
    facts, changed = estimate.deployment, change.arguments if change else {}
    count = 1
    for name in ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"):
        count *= changed.get(name) or getattr(facts, name)
    return count
