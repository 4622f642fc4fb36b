"""The whole answer to a question: its parts, judged, with limits and, where it is refused, what would change that."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from vram.architecture.passed_over import passed_over
from vram.ask.crosscheck import disagreement
from vram.ask.limits import limits_of
from vram.ask.resolve import parts_of
from vram.estimate.parts import Parts, compute
from vram.estimate.question import Question
from vram.estimate.verdict.cell import obstacle_of
from vram.estimate.verdict.document import estimate_of, memory_of
from vram.estimate.verdict.judge import judge
from vram.gpus.choose import hardware_of
from vram.gpus.find import namesakes, profile_for
from vram.models.estimate import Estimate, ProvenanceNote
from vram.models.profile import Gpu, Hardware
from vram.models.record import evolve
from vram.plugin.manager import Plugins, plugins
from vram.quantization.resolve import unread
from vram.units import format_gib, gib
from vram.vllm.faults import met_by
from vram.vllm.versions import beyond_knowledge


def answer(question: Question, *, changes: bool = True) -> Estimate:
    """The whole answer; without `changes` nothing is sought with which a refused one would start and fit.

    Raises VramError on a deployment vLLM could not even read.
    """
    parts = compute(question)
    memory = memory_of(parts)
    verdict = judge(parts, memory, (*_doubts(question), *_of_namesakes(parts)))
    if changes and (not verdict.fits or verdict.certainty == "borderline"):
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
        *question.assumed,
        *passed_over(question.deployment, question.spec.hints),
        *map(str, met_by(question.deployment, question.spec, weights.name if weights else "")),
        *(told.notes if told else ()),
    )
    return tuple(filter(None, found))


def _of_namesakes(parts: Parts) -> Iterator[str]:
    """Where the name of a GPU stands for several, and another of them would answer otherwise: one with less memory than what
    is left free, or with more where it is not enough.
    """
    hardware, refused = parts.question.hardware, bool(obstacle_of(parts))
    for other in _namesakes(plugins(), hardware.name, hardware.gpu) if hardware.name else ():
        more = other.gpu.memory_bytes - hardware.memory_bytes
        if more > 0 if refused else -more > parts.headroom_bytes - gib(parts.question.policy.headroom_gib):
            changed = parts_of(parts.question, hardware=evolve(other, used_bytes=hardware.used_bytes))
            if refused is (changed is not None and not obstacle_of(changed)):
                sizes = (f"{gpu.name} ({format_gib(gpu.memory_bytes)})" for gpu in (hardware.gpu, other.gpu))
                yield "{} is taken as {}; on {} it would {}.".format(
                    hardware.name, *sizes, "fit" if refused else "not fit"
                )


@lru_cache(maxsize=64)
def _namesakes(registry: Plugins, name: str, gpu: Gpu) -> tuple[Hardware, ...]:
    return tuple(
        hardware_of(other, profile_for(other, registry.profiles)) for other in namesakes(name, gpu, registry.profiles)
    )
