"""The whole answer to a question: its parts, judged, with limits and, where it is refused, what would change that."""

from __future__ import annotations

from vram.architecture.passed_over import passed_over
from vram.ask.crosscheck import disagreement
from vram.ask.limits import limits_of
from vram.estimate.parts import compute
from vram.estimate.question import Question
from vram.estimate.verdict.document import estimate_of, memory_of
from vram.estimate.verdict.judge import judge
from vram.models.estimate import Estimate, ProvenanceNote
from vram.quantization.resolve import unread
from vram.vllm.faults import met_by
from vram.vllm.versions import beyond_knowledge


def answer(question: Question) -> Estimate:
    """The whole answer. Raises VramError on a deployment vLLM could not even read."""
    parts = compute(question)
    memory = memory_of(parts)
    verdict = judge(parts, memory, _doubts(question))
    if not verdict.fits or verdict.certainty == "borderline":
        from vram.ask.changes.offer import with_changes  # a search of its own, and most answers fit

        verdict = with_changes(parts, verdict)
    checkpoint = question.checkpoint
    note = ProvenanceNote(component="model", source=checkpoint.source, note="; ".join(checkpoint.notes))
    estimate = estimate_of(parts, memory, verdict, limits_of(parts), note)
    return estimate if question.told is None else question.told.credited(estimate)


def _doubts(question: Question) -> tuple[str, ...]:
    """Warnings about what was asked, not about what came of it."""
    told, weights = question.told, question.quantization
    found = (
        disagreement(question.checkpoint, question.spec, question.quantization) if told is None else None,
        unread(question.checkpoint.quantization, question.deployment.vllm_version) if told is None else None,
        beyond_knowledge(question.deployment.vllm_version),
        *passed_over(question.deployment, question.spec.hints),
        *map(str, met_by(question.deployment, question.spec, weights.name if weights else "")),
        *(told.notes if told else ()),
    )
    return tuple(filter(None, found))
