"""From an answer to whether it passes: the failing check in words, and the smallest change."""

from __future__ import annotations

from vram.models.estimate import Estimate
from vram.units import format_gib

_DOUBT = "Too close to be sure"


def passes(estimate: Estimate, *, accept_borderline: bool) -> bool:
    """Whether `vram estimate --check` would exit with 0."""
    sure = estimate.verdict.certainty != "borderline" or accept_borderline
    return estimate.verdict.fits and sure


def problem_of(estimate: Estimate) -> str:
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
    left = f"leave {format_gib(headroom)} free" if headroom >= 0 else f"need {format_gib(-headroom)} more than there is"
    return f"the workload does not fit: {work} {left}"


def change_of(estimate: Estimate) -> str | None:
    """The smallest change with which it starts and fits; None where nothing is known to do it."""
    changes = getattr(estimate.verdict, "changes", ())
    if changes:
        return str(changes[0].words)
    failed = next((check for check in estimate.verdict.checks if not check.passed), None)
    if failed is not None:
        return failed.fix
    length = estimate.limits.max_context_at_concurrency
    return f"--max-model-len {length}" if 0 < length < estimate.deployment.max_model_len else None
