"""The smallest change of one flag that makes a failed start-up check pass, found by asking again.

Tried from cheap to costly: a shorter context, a larger share of the GPU, fewer sequences, no CUDA graphs, an fp8 cache,
more GPUs. A change is only named after the changed question has been answered, and passes with the least KV pool of its interval.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from vram.ask.resolve import parts_of
from vram.estimate.cache.plan import Refusal
from vram.estimate.parts import Parts
from vram.estimate.verdict.certainty import captures, with_pool
from vram.models.estimate import Check
from vram.models.record import evolve

_HIGHEST_UTILIZATION = 0.97  # above it a desktop, ECC or a second context takes the rest
_LOWEST_UTILIZATION = 0.5
_UTILIZATION_STEP = 0.01
_MOST_RANKS = 64
_LAST_RESORT = "a GPU with more memory, or a quantized checkpoint"

#: what is typed, and the engine arguments it stands for
Change = tuple[str, dict[str, Any]]


def with_remedies(parts: Parts, checks: tuple[Check, ...]) -> tuple[Check, ...]:
    """The checks with the fix of each failed memory check verified or replaced."""
    tried: dict[str, Parts | None] = {}  # one change may be asked about for several checks
    parts = with_pool(parts, least=True)
    return tuple(
        check if check.passed or check.name not in _TESTS else evolve(check, fix=_remedy(parts, check, tried))
        for check in checks
    )


def _remedy(parts: Parts, check: Check, tried: dict[str, Parts | None]) -> str:
    """The first single change with which memory suffices for all, else for this check; a last resort where none does."""
    enough = ""
    for flag, args in _changes(parts, check.name):
        if flag not in tried:
            again = parts_of(parts.question, **args)
            tried[flag] = None if again is None else with_pool(again, least=True)
        changed = tried[flag]
        if changed is not None and _captures(changed):
            return flag
        if changed is not None and not enough and _TESTS[check.name](changed):
            enough = flag
    return enough or _LAST_RESORT


def _changes(parts: Parts, name: str) -> Iterator[Change]:
    if name == "kv_cache_length":
        yield from _shorter(parts)
    if name == "mamba_blocks":
        yield from _fewer_sequences(parts)
    if name == "graph_capture":
        yield from _less_of_the_gpu(parts)
        yield from _no_graphs(parts)
    elif name != "weights":
        yield from _more_of_the_gpu(parts)
        yield from _no_graphs(parts)
    yield from _more_gpus(parts)


def _shorter(parts: Parts) -> Iterator[Change]:
    length = min(parts.plan.estimated_max_model_len or 0, parts.question.spec.derived_max_model_len)
    if length:
        yield f"--max-model-len {length}", {"max_model_len": length}


def _fewer_sequences(parts: Parts) -> Iterator[Change]:
    blocks = parts.plan.num_blocks
    if blocks > 0:
        yield f"--max-num-seqs {blocks}", {"max_num_seqs": blocks}


def _more_of_the_gpu(parts: Parts) -> Iterator[Change]:
    share = parts.question.deployment.gpu_memory_utilization
    while share + _UTILIZATION_STEP <= _HIGHEST_UTILIZATION + 1e-9:
        share = round(share + _UTILIZATION_STEP, 2)
        yield f"--gpu-memory-utilization {share:g}", {"gpu_memory_utilization": share}


def _less_of_the_gpu(parts: Parts) -> Iterator[Change]:
    """A smaller pool, so that graphs find room."""
    share = parts.question.deployment.gpu_memory_utilization
    while share - _UTILIZATION_STEP >= _LOWEST_UTILIZATION:
        share = round(share - _UTILIZATION_STEP, 2)
        yield f"--gpu-memory-utilization {share:g}", {"gpu_memory_utilization": share}


def _no_graphs(parts: Parts) -> Iterator[Change]:
    if not parts.question.deployment.args.enforce_eager:
        yield "--enforce-eager", {"enforce_eager": True}


def _more_gpus(parts: Parts) -> Iterator[Change]:
    tp = parts.question.deployment.tp * 2
    while tp <= _MOST_RANKS:
        yield f"--tensor-parallel-size {tp}", {"tensor_parallel_size": tp}
        tp *= 2


def _loads(parts: Parts) -> bool:
    return parts.loading_bytes <= parts.question.deployment.gpu_memory_bytes


def _has_blocks(parts: Parts) -> bool:
    return _loads(parts) and parts.plan.refusal is not Refusal.NO_MEMORY


def _holds_one_request(parts: Parts) -> bool:
    return _loads(parts) and parts.plan.refusal in {None, Refusal.MAMBA_BLOCKS}


def _starts(parts: Parts) -> bool:
    return _loads(parts) and parts.plan.refusal is None


def _captures(parts: Parts) -> bool:
    return _starts(parts) and captures(parts, least=True)


_TESTS: dict[str, Callable[[Parts], bool]] = {
    "weights": _loads,
    "cache_blocks": _has_blocks,
    "kv_cache_length": _holds_one_request,
    "mamba_blocks": _starts,
    "graph_capture": _captures,
}
