"""The smallest change of one flag that makes a failed start-up check pass, found by asking again.

Tried from cheap to costly: a shorter context, a larger share of the GPU, fewer sequences, no CUDA graphs, an fp8 cache,
more GPUs. A change is only named after the changed question has been answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from vram.ask.limits import with_length
from vram.errors import VramError
from vram.estimate.cache.plan import Refusal
from vram.models.estimate import Check
from vram.models.record import evolve

if TYPE_CHECKING:
    from vram.estimate.assemble import Parts, Question

_HIGHEST_UTILIZATION = 0.97  # above it a desktop, ECC or a second context takes the rest
_UTILIZATION_STEP = 0.01
_MOST_RANKS = 64
_LAST_RESORT = "a GPU with more memory, or a quantized checkpoint"

Change = tuple[str, "Question"]


def with_remedies(question: Question, checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """The checks with the fix of each failed memory check verified or replaced."""
    return tuple(
        check if check.passed or check.name not in _TESTS else evolve(check, fix=remedy(question, check))
        for check in checks
    )


def remedy(question: Question, check: Check) -> str:
    """The first single change that passes this check; a last resort where none does."""
    from vram.estimate.assemble import compute

    passes = _TESTS[check.name]
    for flag, changed in _changes(question, check.name):
        try:
            if passes(compute(changed)):
                return flag
        except VramError:
            continue  # sizes that do not divide are no remedy
    return _LAST_RESORT


def _changes(question: Question, name: str) -> Iterator[Change]:
    if name == "kv_cache_length":
        yield from _shorter(question)
    if name == "mamba_blocks":
        yield from _fewer_sequences(question)
    if name != "weights":
        yield from _more_of_the_gpu(question)
        yield from _no_graphs(question)
    yield from _more_gpus(question)


def _shorter(question: Question) -> Iterator[Change]:
    from vram.estimate.assemble import compute

    length = compute(question).plan.estimated_max_model_len or 0
    length = min(length, question.spec.derived_max_model_len)
    if length:
        yield f"--max-model-len {length}", with_length(question, length)


def _fewer_sequences(question: Question) -> Iterator[Change]:
    from vram.estimate.assemble import compute

    blocks = compute(question).plan.num_blocks
    if blocks > 0:
        args = evolve(question.deployment.args, max_num_seqs=blocks)
        deployment = evolve(question.deployment, args=args, max_num_seqs=blocks)
        yield f"--max-num-seqs {blocks}", evolve(question, deployment=deployment)


def _more_of_the_gpu(question: Question) -> Iterator[Change]:
    share = question.deployment.gpu_memory_utilization
    while share + _UTILIZATION_STEP <= _HIGHEST_UTILIZATION + 1e-9:
        share = round(share + _UTILIZATION_STEP, 2)
        deployment = evolve(question.deployment, gpu_memory_utilization=share)
        yield f"--gpu-memory-utilization {share:g}", evolve(question, deployment=deployment)


def _no_graphs(question: Question) -> Iterator[Change]:
    if not question.deployment.args.enforce_eager:
        args = evolve(question.deployment.args, enforce_eager=True)
        yield "--enforce-eager", evolve(question, deployment=evolve(question.deployment, args=args))


def _more_gpus(question: Question) -> Iterator[Change]:
    tp = question.deployment.tp * 2
    while tp <= _MOST_RANKS:
        args = evolve(question.deployment.args, tensor_parallel_size=tp)
        yield f"--tensor-parallel-size {tp}", evolve(question, deployment=evolve(question.deployment, args=args))
        tp *= 2


def _loads(parts: Parts) -> bool:
    return parts.weights_bytes <= parts.question.deployment.gpu_memory_bytes


def _has_blocks(parts: Parts) -> bool:
    return _loads(parts) and parts.plan.refusal is not Refusal.NO_MEMORY


def _holds_one_request(parts: Parts) -> bool:
    return _loads(parts) and parts.plan.refusal in {None, Refusal.MAMBA_BLOCKS}


def _starts(parts: Parts) -> bool:
    return _loads(parts) and parts.plan.refusal is None


_TESTS: dict[str, Callable[[Parts], bool]] = {
    "weights": _loads,
    "cache_blocks": _has_blocks,
    "kv_cache_length": _holds_one_request,
    "mamba_blocks": _starts,
}
