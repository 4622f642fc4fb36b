"""The time of one step: bytes over bandwidth or operations over rate, whichever is longer, plus what neither explains."""

from __future__ import annotations

from vram.advise.machine import Machine
from vram.advise.work import Arithmetic, ExpertMatrices, ModelWork
from vram.models.record import frozen

#: exponent with which memory and compute time of one product are joined: 1 would add them, infinity take the larger
_JOIN = 3.0
#: tokens of the largest step that is a CUDA graph (`compilation_config.max_cudagraph_capture_size`)
_CAPTURED = 512
#: passes over the fp32 logits that sampling makes (temperature, top-k/top-p, softmax, choice)
_LOGIT_PASSES = 6


@frozen(kw_only=True)
class Step:
    """Seconds of one step by cause.

    `total` is less than their sum where memory and compute overlap.
    """

    memory: float
    compute: float
    communication: float
    latency: float
    total: float


@frozen(kw_only=True)
class Batch:
    """What one step works on: `requests` that decode at `context` tokens, and `chunk` prompt tokens beside them.

    A chunk's tokens stand anywhere between `cached` and `prompt`; `ended` prompts end in the step, so that their last token goes
    through the LM head.
    """

    requests: float
    context: float
    chunk: float = 0.0
    prompt: float = 0.0
    cached: float = 0.0
    ended: float = 0.0


class _Sum:
    """Seconds added up, joined and apart."""

    __slots__ = ("compute", "memory", "total")

    def __init__(self) -> None:
        self.memory = self.compute = self.total = 0.0

    def add(self, memory: float, compute: float) -> None:
        self.memory += memory
        self.compute += compute
        self.total += _join(memory, compute)


def step_time(work: ModelWork, machine: Machine, batch: Batch) -> Step:
    """One step of `batch` on one rank, over all layers."""
    tokens = batch.requests + batch.chunk
    spent = _Sum()
    for matrices in work.matrices:
        memory = _weights_time(machine, matrices.arithmetic, matrices.bytes, matrices.elements)
        spent.add(memory, matrices.flops * tokens / machine.rate(matrices.arithmetic))
    for experts in work.experts:
        _add_experts(spent, machine, experts, tokens * machine.replicas)
    _add_head(spent, work, machine, batch.requests + batch.ended)
    _add_attention(spent, work, machine, batch)
    spent.add(tokens * work.activation_bytes / machine.bandwidth + machine.offload_seconds, 0.0)
    communication = _communication(work, machine, tokens)
    host = machine.step_seconds + batch.requests * machine.request_seconds
    gpu = spent.total + communication + work.kernels * machine.kernel_seconds
    if tokens > _CAPTURED:
        gpu = _join(gpu, work.kernels * machine.launch_seconds)
    total = _join(gpu, host) if machine.overlapped else gpu + host
    latency = total - spent.total - communication
    return Step(
        memory=spent.memory,
        compute=spent.compute,
        communication=communication,
        latency=latency,
        total=total,
    )


def _weights_time(machine: Machine, arithmetic: Arithmetic, size: float, elements: float) -> float:
    """Reading weights, or expanding them to 16 bit where that takes longer."""
    if arithmetic == "16":
        return size / machine.bandwidth
    if arithmetic in machine.rates:
        return size / machine.bandwidth_low
    return max(size / machine.bandwidth, elements / machine.unpack)


def _add_experts(spent: _Sum, machine: Machine, experts: ExpertMatrices, tokens: float) -> None:
    """Only the experts that some token visits are read; their gathered rows cost `moe` times a plain product's."""
    touched = experts.touched(tokens * machine.moe_spread if tokens > 1 else tokens) * experts.layers
    rows = experts.top_k * experts.experts / experts.global_experts * tokens * experts.layers
    memory = _weights_time(machine, experts.arithmetic, experts.bytes * touched, experts.elements * touched)
    padding = machine.moe_rows if experts.arithmetic in machine.rates else machine.moe_rows / 4
    spent.add(memory, experts.flops * (rows + touched * padding) / machine.experts_rate(experts.arithmetic))


def _add_head(spent: _Sum, work: ModelWork, machine: Machine, sampled: float) -> None:
    """The LM head for every token that is sampled, and the sampling."""
    if not sampled:
        return
    head = work.head
    memory = _weights_time(machine, head.arithmetic, head.bytes, head.elements)
    spent.add(memory, head.flops * sampled / machine.rate(head.arithmetic))
    spent.add(sampled * work.vocabulary * 4 * _LOGIT_PASSES / machine.bandwidth, 0.0)


def _add_attention(spent: _Sum, work: ModelWork, machine: Machine, batch: Batch) -> None:
    """Decoding reads the cache of every request; a chunk's keys and values are read once for many queries."""
    for attention in work.attention:
        seen = attention.seen(batch.context)
        moved = batch.requests * (attention.bytes * seen + attention.fixed_bytes)
        computed = batch.requests * (attention.flops * seen + attention.token_flops)
        spent.add(moved / machine.bandwidth, computed / machine.attention_rate)
        if batch.chunk:
            pairs = batch.chunk * attention.seen_on_average(batch.cached, batch.prompt)
            prefill = attention.prefill_flops * pairs + attention.token_flops * batch.chunk
            spent.add(0.0, prefill / machine.attention_rate)


def _communication(work: ModelWork, machine: Machine, tokens: float) -> float:
    """All-reduces of every token's hidden state; a ring moves 2·(n − 1)/n of the data over each link.

    Data-parallel replicas that share experts gather their tokens before them and scatter the sums after: as much again.
    """
    moved = tokens * work.reduced_width
    seconds = 0.0
    if machine.ranks > 1:
        ring = moved * 2 * (machine.ranks - 1) / machine.ranks
        seconds += work.all_reduces * (machine.reduce_latency + ring / machine.reduce_bandwidth)
    if machine.replicas > 1 and work.experts:
        layers = sum(experts.layers for experts in work.experts)
        shared = moved * 2 * (machine.replicas - 1)
        seconds += layers * (2 * machine.reduce_latency + shared / machine.reduce_bandwidth)
    return seconds


def _join(a: float, b: float) -> float:
    if a == 0.0 or b == 0.0:
        return a + b
    larger, smaller = (a, b) if a > b else (b, a)
    return float(larger * (1.0 + (smaller / larger) ** _JOIN) ** (1.0 / _JOIN))
