"""What a plan must not do silently: run replicas, span machines, serve with an older release."""

from __future__ import annotations

from collections.abc import Iterator

from vram.ask import Question
from vram.models.plan import Plan
from vram.units import counted
from vram.vllm import NEWEST, format_version
from vram_plugins.plan.candidates import GPUS_PER_MACHINE


def warnings_of(plan: Plan, base: Question, *, chosen: bool) -> tuple[str, ...]:
    """Sentences for the recommendation; `chosen`: the release was this program's choice."""
    return tuple(_warnings(plan, base, chosen=chosen))


def _warnings(plan: Plan, base: Question, *, chosen: bool) -> Iterator[str]:
    version = base.behaviour.version
    if chosen and version < NEWEST:
        yield (
            f"Planned for vLLM {format_version(version)}, the last release whose published wheel has kernels for {plan.gpu}: "
            f"install that, not {format_version(NEWEST)}."
        )
    found = plan.recommendation
    if found is None:
        return
    if found.replicas > 1:
        each = found.gpus // found.replicas
        yield (
            f"Data parallel: {found.replicas} replicas, each with the whole model on {counted(each, 'GPU')} and its "
            "own KV cache; the numbers are those of one replica."
        )
    if found.gpus > GPUS_PER_MACHINE:
        machines = -(-found.gpus // GPUS_PER_MACHINE)
        yield (
            f"{found.gpus} GPUs are {machines} machines of {GPUS_PER_MACHINE}: vLLM then needs Ray or --nnodes on each, and a fast "
            "network between them."
        )
