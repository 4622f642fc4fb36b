"""Requests that come all at once, or by themselves: what a run of them sees."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from vram.advise.machine import Machine
from vram.advise.queueing import Capacity, Loop
from vram.advise.roofline import Batch, step_time
from vram.advise.scheduler import simulate
from vram.advise.work import ModelWork
from vram.models.performance import Workload

#: requests of a burst that are simulated at most; more only wait longer
LONGEST = 20_000
#: requests that arrive by themselves are of all lengths: how far they lie from the mean (`vllm bench serve --random-range-ratio`)
VARIED = 0.9


def run_of(work: ModelWork, machine: Machine, load: Workload, capacity: Capacity) -> Loop:
    """The medians of a burst, or of requests that arrive at a rate."""
    burst = load.request_rate is None
    arrivals = (0.0,) * min(load.concurrency, LONGEST) if burst else poisson(load.request_rate or 1.0, load.requests)
    seen = simulate(work, machine, load, capacity, arrivals, spread=0.0 if burst else VARIED)
    batch = max(1, round(seen.running))
    part = max(1.0, batch / capacity.stages)
    context = load.prompt_tokens + load.gen_tokens / 2
    mixed = Batch(
        requests=part - 1,
        context=context,
        chunk=float(min(load.new_tokens, capacity.budget)),
        prompt=float(load.prompt_tokens),
        cached=float(load.prompt_tokens - load.new_tokens),
        ended=1,
    )
    return Loop(
        ttft=_share(seen.ttft, 0.5),
        tpot=_share(seen.tpot, 0.5),
        ttft_p95=_share(seen.ttft, 0.95),
        tpot_p95=_share(seen.tpot, 0.95),
        waiting=_share(seen.waiting, 0.5),
        requests_per_s=len(seen.ttft) / (seen.seconds + machine.client(load.prompt_tokens)),
        batch=batch,
        decode=step_time(work, machine, Batch(requests=part, context=context)),
        prefill=step_time(work, machine, mixed),
    )


def _share(values: Sequence[float], share: float) -> float:
    """The value that `share` of the values do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def poisson(rate: float, requests: int) -> tuple[float, ...]:
    """Times of arrival at `rate` per second, the same at every call."""
    random = Random(20)  # noqa: S311 - arrivals, no secrets
    gaps = [random.expovariate(1.0) for _ in range(requests)]
    scale, at, times = requests / sum(gaps) / rate, 0.0, []
    for gap in gaps:
        at += gap * scale
        times.append(at - gaps[0] * scale)
    return tuple(times)
