"""Predicted against logged, component by component, and why they differ."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vram.models.estimate import Estimate
from vram.models.interval import Interval
from vram.units import GIB, format_gib
from vram_plugins.logs.records import EngineStart
from vram_plugins.reconcile.records import Component, measured

_SMALL = 0.01 * GIB
_WEIGHTS_SPREAD = 0.005  # see `weights_spread` in estimate/constants.py


_WHATEVER_THE_GPU = frozenset({"weights", "kv_tokens", "max_concurrency", "num_blocks"})


def compare(
    start: EngineStart, estimate: Estimate, plan: Estimate | None, *, gpu_known: bool = True
) -> tuple[Component, ...]:
    """Every quantity that both the log and the estimate have, with an explanation of each difference.

    `plan` is the estimate made for exactly the KV memory that the log says, which tests the cache plan by itself. Where the GPU is
    not known, what does not depend on it.
    """
    if gpu_known:
        return (*_memory(start, estimate), *_plan(start, plan or estimate))
    found = (*_memory(start, estimate), *(_plan(start, plan) if plan else ()))
    return tuple(one for one in found if one.name in _WHATEVER_THE_GPU)


def _memory(start: EngineStart, estimate: Estimate) -> Iterator[Component]:
    memory = estimate.memory
    weights, available = start.largest("weights_bytes"), start.smallest("available_kv_bytes")
    around = _around(memory.weights, _WEIGHTS_SPREAD)
    yield from measured("weights", weights, around, _weights_note(weights, around))
    peak = _peak(start, weights)
    yield from measured("activation_peak", peak, memory.activation_peak, _peak_note(peak, estimate))
    outside = _non_torch(start, weights)
    yield from measured("non_torch", outside, memory.non_torch, _outside_note(outside, memory.non_torch))
    graphs = start.largest("cuda_graph_bytes")
    yield from measured("cuda_graphs", graphs, memory.cuda_graphs, _graph_note(graphs, estimate))
    if weights is not None and available is not None:
        other = estimate.memory.budget_bytes - available - weights
        yield from measured("other", other, _other(estimate), "everything in the budget but weights and KV cache")
    yield from measured("kv_cache_available", available, memory.kv_cache_available, _pool_note(start, estimate))


def _around(interval: Interval, share: float) -> Interval:
    half = int(interval.expected * share)
    return Interval(low=interval.low - half, expected=interval.expected, high=interval.high + half)


def _other(estimate: Estimate) -> Interval:
    memory = estimate.memory
    fixed = memory.budget_bytes - memory.weights.expected
    pool = memory.kv_cache_available
    return Interval(low=fixed - pool.high, expected=fixed - pool.expected, high=fixed - pool.low)


def _peak(start: EngineStart, weights: float | None) -> float | None:
    """What the log calls the activation peak; 0.6 to 0.6.4 print PyTorch's whole peak, weights included."""
    whole = start.largest("peak_torch_bytes")
    if whole is not None and weights is not None:
        return whole - weights
    return start.largest("activation_peak_bytes")


def _non_torch(start: EngineStart, weights: float | None) -> float | None:
    """What the log calls non-torch; since 0.27 it is the consumed memory less the weights."""
    said = start.largest("non_torch_bytes")
    consumed = start.largest("consumed_bytes")
    if said is None and consumed is not None and weights is not None:
        return consumed - weights
    return said


def _weights_note(logged: float | None, predicted: Interval) -> str:
    if logged is None or predicted.low <= logged <= predicted.high:
        return ""
    if logged < predicted.expected:
        return (
            "vLLM holds less than this checkpoint's tensors: another quantization than the files read here, parts left "
            "on the host, or towers left out"
        )
    return "vLLM holds more than this checkpoint's tensors: a less quantized checkpoint, a draft model or LoRA slots"


def _peak_note(logged: float | None, estimate: Estimate) -> str:
    if logged is None:
        return ""
    facts, peak = estimate.deployment, estimate.memory.activation_peak
    if facts.pipeline_parallel_size > 1:
        return "the log shows the first pipeline rank, which does not sample; the last one is predicted"
    if peak.low <= logged <= peak.high:
        return ""
    levers = f"max_num_seqs {facts.max_num_seqs:,} and max_num_batched_tokens {facts.max_num_batched_tokens:,}"
    if logged < peak.low:
        return f"the profile run was smaller than {levers} make it, or another sampler ran"
    return f"the profile run was larger than {levers} make it: more sequences, tokens, or images and audio to profile"


def _outside_note(logged: float | None, predicted: Interval) -> str:
    if logged is None or predicted.low <= logged <= predicted.high:
        return ""
    if logged > predicted.high:
        return "something else holds memory on this GPU: another process, or communication buffers not foreseen here"
    return "another process gave memory back while vLLM measured, or a workspace was not made"


def _graph_note(logged: float | None, estimate: Estimate) -> str:
    if logged is None:
        return ""
    if logged < 0:
        return "the log counts memory that warm-up gave back; capture itself takes more"
    graphs = estimate.memory.cuda_graphs
    if graphs.low <= logged <= graphs.high:
        return ""
    return "other capture sizes than the defaults of this version, or memory that warm-up kept or gave back"


def _pool_note(start: EngineStart, estimate: Estimate) -> str:
    """Which parts make up the difference, the largest first; what the board would have to report where it is absurd."""
    memory = estimate.memory
    weights, available = start.largest("weights_bytes"), start.smallest("available_kv_bytes")
    if available is None:
        return ""
    gap = memory.kv_cache_available.expected - available
    parts = [
        ("weights", weights, memory.weights.expected),
        ("activation peak", _peak(start, weights), memory.activation_peak.expected),
        ("non-torch memory", _non_torch(start, weights), memory.non_torch.expected),
    ]
    more = [(name, logged - predicted) for name, logged, predicted in parts if logged is not None]
    board = _board_note(available, weights or memory.weights.expected, gap, estimate)
    if board:
        return board
    if abs(gap) < 2 * _SMALL:
        return ""
    largest = sorted(more, key=lambda part: -abs(part[1]))
    named = [f"{name} {_signed(value)}" for name, value in largest if abs(value) >= 2 * _SMALL]
    told = ["logged against predicted: " + ", ".join(named)] if named else []
    rest = gap - sum(value for _, value in more)
    if abs(rest) >= 10 * _SMALL:
        told.append(f"{_signed(rest)} of what else is used no line of the log tells apart")
    return "; ".join(told)


def _signed(value: float) -> str:
    return f"{value / GIB:+.2f} GiB"


def _board_note(available: float, weights: float, gap: float, estimate: Estimate) -> str:
    """A pool that is off by a sixth of the GPU says that the board or the utilization is another one."""
    facts = estimate.deployment
    if abs(gap) < facts.gpu_memory_bytes / 6:
        return ""
    used = available + weights + _other(estimate).expected
    implied = used / facts.gpu_memory_utilization
    share = used / facts.gpu_memory_bytes
    text = (
        f"a GPU of about {format_gib(implied, 0)} at gpu_memory_utilization {facts.gpu_memory_utilization:g} would "
        f"explain it (here {format_gib(facts.gpu_memory_bytes, 0)} was taken)"
    )
    return f"{text}, or a gpu_memory_utilization of {share:.2f}" if 0 < share <= 1 else text


def _plan(start: EngineStart, plan: Estimate) -> Iterator[Component]:
    cache = plan.kv_cache
    yield from _count("kv_tokens", start.smallest("kv_tokens"), cache.tokens)
    length = start.smallest("concurrency_len")
    if length is None or int(length) == plan.deployment.max_model_len:
        yield from _count("max_concurrency", start.smallest("max_concurrency"), cache.max_concurrency, "ratio")
    blocks = start.smallest("num_blocks")
    if not any(failure.name == "mamba_blocks" for failure in start.failures):
        yield from _count("num_blocks", blocks, cache.num_blocks)


def _count(name: str, logged: float | None, predicted: float, unit: str = "count") -> Iterable[Component]:
    """A number of the cache plan; one block more or less comes from the log's two digits."""
    if logged is None or not predicted:
        return
    off = abs(predicted - logged) / max(abs(logged), 1)
    text = "" if off < 0.01 else "the cache plan differs: another KV cache dtype, block size or context parallelism"
    half = 0.005 * predicted
    yield Component(
        name=name,
        unit=unit,
        logged=logged,
        predicted=predicted,
        low=predicted - half,
        high=predicted + half,
        explanation=text,
    )
