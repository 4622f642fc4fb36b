"""What a plan must not do silently: run replicas, span machines, serve with an older release."""

from __future__ import annotations

from collections.abc import Iterator

from vram.ask import Question
from vram.models.plan import Plan
from vram.units import counted
from vram.vllm import NEWEST, format_version
from vram_plugins.plan.candidates import GPUS_PER_MACHINE


def warnings_of(plan: Plan, base: Question, *, chosen: bool, assumed_lengths: bool = False) -> tuple[str, ...]:
    """Sentences for the recommendation; `chosen`: the release was this program's choice; `assumed_lengths`: so were lengths."""
    return tuple(_warnings(plan, base, chosen=chosen, assumed_lengths=assumed_lengths))


def _warnings(plan: Plan, base: Question, *, chosen: bool, assumed_lengths: bool) -> Iterator[str]:
    version = base.behaviour.version
    if chosen and version < NEWEST:
        yield (
            f"Planned for vLLM {format_version(version)}, the last release whose published wheel has kernels for {plan.gpu}: "
            f"install that, not {format_version(NEWEST)}."
        )
    found = plan.recommendation
    if found is None:
        yield from base.assumed  # a recommendation's estimate says it itself
        return
    if assumed_lengths:
        job = plan.job
        yield (
            f"Nothing was said of how long requests are: {job.prompt_tokens:,} tokens of prompt and {job.gen_tokens:,} of answer are "
            "assumed (--prompt-tokens, --gen-tokens, --lengths)."
        )
    if found.servers > 1:
        yield (
            f"Run the command {found.servers} times, each on {counted(found.gpus // found.servers, 'GPU')} of its own, behind something "
            "that shares requests out evenly; memory and limits are those of one server."
        )
    if found.replicas > found.servers:
        each = found.gpus // found.replicas
        yield (
            f"Data parallel: {found.replicas} replicas, each with the whole model on {counted(each, 'GPU')} and its "
            "own KV cache; the numbers are those of one replica."
        )
    gpus = found.gpus // found.servers
    if gpus > GPUS_PER_MACHINE:
        machines = -(-gpus // GPUS_PER_MACHINE)
        yield (
            f"{gpus} GPUs are {machines} machines of {GPUS_PER_MACHINE}: vLLM then needs Ray or --nnodes on each, and a fast "
            "network between them."
        )
