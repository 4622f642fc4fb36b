"""What went wrong in a start that failed, and the flag to change."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from vram.errors import VramError
from vram.models.estimate import Estimate
from vram.models.record import evolve
from vram.units import format_gib
from vram.vllm import behaviour, parse_version
from vram_plugins.logs.records import EngineStart, Failure
from vram_plugins.reconcile.records import Finding

_LOADED = ("weights", "old weights", "V0 weights", "usage")
_SIZED = ("available", "tokens", "blocks", "V0 pool")
_CAPTURED = ("graphs", "kv in use")
_TOO_LARGE = frozenset({
    "no_cache_blocks", "max_model_len", "max_model_len_v0", "auto_fit", "mamba_blocks", "sampler", "heads", "bfloat16",
    "derived_length", "out_of_memory",
})  # fmt: skip
_MOST_CHANGES = 3
_MARGIN = 1.02  # a pool that is only just large enough is too small after the next driver update


def diagnose(start: EngineStart, estimate: Estimate | None) -> tuple[Finding, ...]:
    """One finding per failure of the log, the first cause first; nothing for a start that went well.

    An out-of-memory line is not repeated where a line that explains it was read, too.
    """
    found: list[Finding] = []
    explained = {failure.name for failure in start.failures}
    for failure in start.failures:
        if failure.name == "out_of_memory" and "sampler" in explained:
            continue
        found += _FINDINGS[failure.name](start, failure, estimate)
    return tuple(_with_ways_out(one, estimate) for one in found)


def _with_ways_out(finding: Finding, estimate: Estimate | None) -> Finding:
    """What is too large with the changes that the estimate names, where that refuses it, too: each of them starts."""
    changes = estimate.verdict.changes if estimate is not None and finding.name in _TOO_LARGE else ()
    return evolve(finding, fix=" or ".join(change.words for change in changes[:_MOST_CHANGES])) if changes else finding


def _free_memory(start: EngineStart, failure: Failure, _: Estimate | None) -> Iterator[Finding]:
    free, total = _of(start, failure, "free_bytes"), _of(start, failure, "total_bytes")
    wanted = _of(start, failure, "requested_bytes")
    if not free or not total or not wanted:
        return
    share = math.floor(100 * free / total) / 100
    held = total - free
    yield Finding(
        name=failure.name,
        message=(
            f"{format_gib(free)} of {format_gib(total)} were free and {format_gib(wanted)} were asked for: other processes "
            f"hold {format_gib(held)} (nvidia-smi names them)"
        ),
        fix=f"--gpu-memory-utilization {share:.2f}" if share > 0 else "end the other processes on this GPU",
    )


def _no_cache_blocks(start: EngineStart, failure: Failure, estimate: Estimate | None) -> Iterator[Finding]:
    weights, available = start.largest("weights_bytes"), start.smallest("available_kv_bytes")
    parts = [f"weights take {format_gib(weights)}"] if weights else []
    if available is not None:
        parts.append(f"{format_gib(available)} are left for the KV cache")
    message = "nothing is left for the KV cache" + (f": {', '.join(parts)}" if parts else "")
    yield Finding(name=failure.name, message=message, fix=_predicted_fix(estimate) or _more_room(start))


def _length(start: EngineStart, failure: Failure, estimate: Estimate | None) -> Iterator[Finding]:
    length, needed = _of(start, failure, "max_model_len"), _of(start, failure, "needed_kv_bytes")
    available, longest = _of(start, failure, "available_kv_bytes"), start.smallest("estimated_max_model_len")
    if length is None or needed is None or available is None:
        return
    fixes = [f"--max-model-len {int(longest)}"] if longest else []
    raised = _raised_utilization(start, estimate, needed * _MARGIN - available)
    if raised is not None:
        fixes.append(f"--gpu-memory-utilization {raised:.2f}")
    if not fixes:
        fixes.append("--max-model-len auto" if _fits_by_itself(start) else "a smaller --max-model-len")
    yield Finding(
        name=failure.name,
        message=(
            f"one request of {int(length):,} tokens needs {format_gib(needed)} of KV cache and {format_gib(available)} are "
            "there"
        ),
        fix=" or ".join(fixes),
    )


def _fits_by_itself(start: EngineStart) -> bool:
    """Whether the version knows `--max-model-len auto`."""
    try:
        return start.version is not None and parse_version(start.version) >= (0, 14, 0)
    except VramError:
        return False


def _length_v0(start: EngineStart, failure: Failure, _: Estimate | None) -> Iterator[Finding]:
    length, tokens = _of(start, failure, "max_model_len"), _of(start, failure, "kv_tokens")
    if length is None or tokens is None:
        return
    yield Finding(
        name=failure.name,
        message=f"the KV cache holds {int(tokens):,} tokens and one request may have {int(length):,}",
        fix=f"--max-model-len {int(tokens)} or a higher --gpu-memory-utilization",
    )


def _mamba(start: EngineStart, failure: Failure, _: Estimate | None) -> Iterator[Finding]:
    wanted, blocks = _of(start, failure, "max_num_seqs"), _of(start, failure, "num_blocks")
    if wanted is None or blocks is None:
        return
    yield Finding(
        name=failure.name,
        message=f"each of {int(wanted):,} sequences needs a state block of its own and there are {int(blocks):,}",
        fix=f"--max-num-seqs {max(1, int(blocks))}",
    )


def _sampler(start: EngineStart, failure: Failure, _: Estimate | None) -> Iterator[Finding]:
    requests = _of(start, failure, "dummy_requests")
    if requests is None:
        return
    yield Finding(
        name=failure.name,
        message=f"memory ran out while sampling for {int(requests):,} requests was warmed up, after the KV cache was taken",
        fix=f"--max-num-seqs {max(1, int(requests) // 2)} or {_lower_utilization(start)}",
    )


def _heads(start: EngineStart, failure: Failure, _: Estimate | None) -> Iterator[Finding]:
    heads, ranks = _of(start, failure, "heads"), _of(start, failure, "tensor_parallel_size")
    if not heads or not ranks:
        return
    size = max(n for n in range(1, int(min(ranks, heads, 4096)) + 1) if heads % n == 0)
    yield Finding(
        name=failure.name,
        message=f"{int(heads)} attention heads cannot be divided over {int(ranks)} GPUs",
        fix=f"--tensor-parallel-size {size}",
    )


def _derived_length(start: EngineStart, failure: Failure, _: Estimate | None) -> Iterator[Finding]:
    length, longest = _of(start, failure, "max_model_len"), _of(start, failure, "derived_max_model_len")
    if length is None or longest is None:
        return
    yield Finding(
        name=failure.name,
        message=f"{int(length):,} tokens were asked for and the model's config allows {int(longest):,}",
        fix=f"--max-model-len {int(longest)}",
    )


def _said(message: str, fix: str) -> Callable[[EngineStart, Failure, Estimate | None], Iterator[Finding]]:
    def tell(_start: EngineStart, failure: Failure, _estimate: Estimate | None) -> Iterator[Finding]:
        yield Finding(name=failure.name, message=message, fix=fix)

    return tell


def _out_of_memory(start: EngineStart, failure: Failure, estimate: Estimate | None) -> Iterator[Finding]:
    """The stage is told by the lines that came before."""
    wanted = start.largest("wanted_bytes")
    asked = f" (the allocation that failed: {format_gib(wanted)})" if wanted else ""
    before = {name for name in start.order if name != failure.name}
    if start.ready or before & set(_CAPTURED):
        message = f"memory ran out after start-up{asked}: the KV cache leaves too little for what comes beside it"
        fix = _lower_utilization(start)
    elif before & set(_SIZED):
        message = f"memory ran out while the KV cache was allocated or CUDA graphs were captured{asked}"
        fix = f"{_lower_utilization(start)}, or fewer graphs (--max-num-seqs), or --enforce-eager"
    elif before & set(_LOADED):
        message = f"memory ran out in the profile run{asked}: its peak comes from the batch"
        fix = _smaller_batch(estimate)
    else:
        message = f"memory ran out while the model was loaded{asked}"
        if estimate is not None:
            weights, total = estimate.memory.weights.expected, estimate.deployment.gpu_memory_bytes
            message += f": its weights take {format_gib(weights)} per GPU of {format_gib(total)}"
        fix = _more_gpus(start, estimate)
    yield Finding(name=failure.name, message=message, fix=fix)


def _smaller_batch(estimate: Estimate | None) -> str:
    if estimate is None:
        return "halve --max-num-seqs, then --max-num-batched-tokens"
    facts = estimate.deployment
    sampled = next((n.note for n in estimate.provenance if n.component == "activation_peak"), "")
    seqs, tokens = max(1, facts.max_num_seqs // 2), max(1, facts.max_num_batched_tokens // 2)
    text = f"--max-num-seqs {seqs} or --max-num-batched-tokens {tokens}"
    return f"{text} (now: {sampled})" if sampled else text


def _more_gpus(start: EngineStart, estimate: Estimate | None) -> str:
    ranks = estimate.deployment.tensor_parallel_size if estimate else int(_argument(start, "tensor_parallel_size", 1))
    if estimate is None:
        return f"--tensor-parallel-size {2 * ranks}, or a quantized checkpoint"
    need = estimate.memory.weights.expected * ranks / max(1.0, 0.85 * estimate.deployment.gpu_memory_bytes)
    size = ranks * 2
    while size < need and size < 1024:
        size *= 2
    if need <= ranks:
        return "end other processes on the GPU: these weights would fit an empty one"
    return f"--tensor-parallel-size {size}, or a quantized checkpoint"


def _more_room(start: EngineStart) -> str:
    utilization = _utilization(start)
    higher = f"--gpu-memory-utilization {min(0.95, utilization + 0.05):.2f}, " if utilization < 0.95 else ""
    return f"{higher}a smaller --max-num-seqs, or more GPUs (--tensor-parallel-size)"


def _predicted_fix(estimate: Estimate | None) -> str | None:
    if estimate is None:
        return None
    return next((check.fix for check in estimate.verdict.checks if not check.passed and check.fix), None)


def _raised_utilization(start: EngineStart, estimate: Estimate | None, missing: float) -> float | None:
    total = start.largest("total_bytes") or (estimate.deployment.gpu_memory_bytes if estimate else None)
    if not total or missing <= 0:
        return None
    share = math.ceil(100 * (_utilization(start) + missing / total)) / 100
    return share if share <= 0.97 else None


def _lower_utilization(start: EngineStart) -> str:
    utilization = _utilization(start)
    return f"--gpu-memory-utilization {max(0.05, utilization - 0.05):.2f}"


def _utilization(start: EngineStart) -> float:
    """What was asked for, else the version's default."""
    try:
        default = behaviour(parse_version(start.version or "")).default_utilization
    except VramError:
        default = 0.9
    return _argument(start, "gpu_memory_utilization", default)


def _argument(start: EngineStart, name: str, default: float) -> float:
    value = start.arguments.get(name, start.largest(name))
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**40
    return float(value) if usable and isinstance(value, int | float) else default


def _of(start: EngineStart, failure: Failure, name: str) -> float | None:
    """A number of the failure's own line, else the log's last of that name."""
    same = [r.value for r in start.readings if r.name == name and r.line == failure.line]
    return same[-1] if same else start.largest(name)


_FINDINGS: dict[str, Callable[[EngineStart, Failure, Estimate | None], Iterator[Finding]]] = {
    "free_memory": _free_memory,
    "no_cache_blocks": _no_cache_blocks,
    "max_model_len": _length,
    "max_model_len_v0": _length_v0,
    "auto_fit": _said(
        "not even one token fits beside the weights and the profile run", "a smaller --max-num-seqs, or more GPUs"
    ),
    "mamba_blocks": _mamba,
    "sampler": _sampler,
    "profiling": _said(
        "another process gave memory back while vLLM measured",
        "start again, with nothing else starting or ending there",
    ),
    "heads": _heads,
    "bfloat16": _said("this GPU has no bfloat16", "--dtype half"),
    "derived_length": _derived_length,
    "no_gpu": _said("the process sees no GPU", "docker run --gpus all, and check CUDA_VISIBLE_DEVICES and the driver"),
    "out_of_memory": _out_of_memory,
}
