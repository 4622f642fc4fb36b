"""What to change after a start that failed: the search of every refused answer, asked about the machine as the log shows it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from vram.errors import VramError
from vram.models.estimate import Change, Estimate
from vram.models.record import evolve
from vram.serving import serve_flags_of
from vram.units import GIB, MIB, format_gib
from vram.vllm import parse_version
from vram_plugins.logs.records import EngineStart
from vram_plugins.logs.stages import Stage

_NOTED = 32 * MIB  # the two digits of a log and the blocks of a cache are less
#: failures that no argument takes away
_NOT_THE_GPU = frozenset({"shared_memory", "killed", "no_gpu", "gated", "architecture", "profiling"})
#: asks the same question with other arguments (`gpu_memory_gib` among them). Raises VramError
Again = Callable[..., Estimate]


def changes_after(
    start: EngineStart, stage: Stage | None, estimate: Estimate, again: Again
) -> tuple[tuple[Change, ...], str | None]:
    """Ways out, each asked anew and answered "starts and fits", and what to say beside; none for a good start.

    Where the text does not tell how it ended, a failure that is foreseen counts.
    """
    if (
        stage is None
        and not start.ready
        and start.smallest("available_kv_bytes") is None
        and not estimate.verdict.starts
    ):
        failed = next(check.message for check in estimate.verdict.checks if not check.passed)
        return estimate.verdict.changes, f"the text does not tell how it ended; foreseen is: {failed}"
    if stage is None or stage == "arguments" or any(one.name in _NOT_THE_GPU for one in start.failures):
        return (), None
    if stage == "device":
        return _beside_others(start, again), None
    missing = _missing(start, estimate)
    if missing > _NOTED and stage == "kv_cache":
        less = estimate.deployment.gpu_memory_bytes - missing / estimate.deployment.gpu_memory_utilization
        seen = _quiet(again, gpu_memory_gib=less / GIB)
        if seen is not None and not seen.verdict.fits:
            note = f"changes are for a GPU that has {format_gib(missing)} less for the cache than foreseen, as the log shows"
            return seen.verdict.changes, note
    if not estimate.verdict.fits:
        return estimate.verdict.changes, None
    return tuple(_that_fit(again, _smaller(stage, estimate))), None


def _missing(start: EngineStart, estimate: Estimate) -> float:
    """Bytes by which the cache has less than foreseen."""
    available = start.smallest("available_kv_bytes")
    return 0.0 if available is None else estimate.memory.kv_cache_available.expected - available


def _beside_others(start: EngineStart, again: Again) -> tuple[Change, ...]:
    """A share of the GPU that is free, and what else it takes then."""
    free, total = start.largest("free_bytes"), start.largest("total_bytes")
    share = int(100 * free / total) / 100 if free and total else 0
    seen = _quiet(again, gpu_memory_utilization=share) if 0 < share < 1 else None
    if seen is None:
        return ()
    asked = {"gpu_memory_utilization": share}
    if seen.verdict.fits:
        return (_change(asked, "KV cache, which other processes hold", seen),)
    return tuple(
        evolve(change, arguments={**asked, **change.arguments}, words=f"{_words(asked, seen)} {change.words}")
        for change in seen.verdict.changes
        if change.arguments.get("gpu_memory_utilization", 0) == 0
        and change.arguments.get("tensor_parallel_size") is None
    )


def _smaller(stage: Stage, estimate: Estimate) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Settings that take less at that stage, where an answer foresees no failure."""
    facts = estimate.deployment
    lower = {"gpu_memory_utilization": round(facts.gpu_memory_utilization - 0.05, 2)}
    fewer = {"max_num_seqs": max(1, facts.max_num_seqs // 2)}
    if stage in ("graphs", "sampler", "serving"):
        yield lower, "some of the KV cache"
        if facts.max_num_seqs > facts.concurrency:
            yield fewer, "requests at once"
    if stage == "graphs" and not facts.enforce_eager:
        yield {"enforce_eager": True}, "speed: no CUDA graphs"
    if stage == "profiling" and facts.max_num_batched_tokens >= facts.max_model_len:
        yield {"max_model_len": max(1, facts.max_model_len // 2)}, "context"
    elif stage == "profiling":
        yield {"max_num_batched_tokens": max(512, facts.max_num_batched_tokens // 2)}, "speed of long prompts"
    if stage == "profiling" and facts.max_num_seqs > facts.concurrency:
        yield fewer, "requests at once"


def _that_fit(again: Again, settings: Iterator[tuple[Mapping[str, Any], str]]) -> Iterator[Change]:
    for arguments, gives_up in settings:
        seen = _quiet(again, **arguments)
        if seen is not None and seen.verdict.fits:
            yield _change(arguments, gives_up, seen)


def _change(arguments: Mapping[str, Any], gives_up: str, seen: Estimate) -> Change:
    return Change(arguments=arguments, words=_words(arguments, seen), gives_up=gives_up, limits=seen.limits)


def _words(arguments: Mapping[str, Any], seen: Estimate) -> str:
    flags = serve_flags_of(arguments, parse_version(seen.deployment.vllm_version))
    return " ".join(shlex.join(flag) for flag in flags)


def _quiet(again: Again, **arguments: Any) -> Estimate | None:
    try:
        return again(**arguments)
    except VramError:
        return None
