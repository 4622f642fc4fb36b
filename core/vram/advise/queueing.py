"""A closed loop of equal requests on one replica: how prefill and decode share the steps, and who waits."""

from __future__ import annotations

from math import ceil

from vram.advise.machine import Machine
from vram.advise.roofline import Batch, Step, step_time
from vram.advise.work import ModelWork
from vram.models.performance import Workload
from vram.models.record import frozen


@frozen(kw_only=True)
class Capacity:
    """Limits of the engine: requests at once (`batch`, a mean), tokens in one step (`budget`), pipeline stages."""

    batch: float
    budget: int
    stages: int = 1


@frozen(kw_only=True)
class Loop:
    """What requests see, in seconds: the steady state of a closed loop, or the medians of a run.

    `waiting` is the part of `ttft` that is spent before a request may run; of 100 requests 95 stay below the `_p95`.
    """

    ttft: float
    tpot: float
    ttft_p95: float
    tpot_p95: float
    waiting: float
    requests_per_s: float
    batch: float
    decode: Step
    prefill: Step


@frozen(kw_only=True)
class _Prefill:
    """`together` prompts share `chunks` steps like `mixed`; each prompt adds `extra` seconds to everybody's steps."""

    together: int
    chunks: float
    mixed: Step
    extra: float


def closed_loop(work: ModelWork, machine: Machine, load: Workload, capacity: Capacity) -> Loop:
    """The steady state of `load.concurrency` clients.

    While one request lives, each of the `batch` running ones is prefilled once and decoded `gen_tokens - 1` times:

        cycle = own prefill + (gen_tokens - 1) · decode step + (batch - together) · what a prompt adds to a step

    whatever the order. The order decides how the cycle is divided into time to first token and time per output token: see
    `_behind`. Clients beyond `batch` wait for whole cycles.

    With a pipeline the batch is split into as many parts as there are stages, which follow each other through them.
    """
    batch = max(1.0, min(float(load.concurrency), capacity.batch))
    part = max(1.0, batch / capacity.stages)
    decode = step_time(work, machine, Batch(requests=part, context=_context(load)))
    prefill = _prefill(work, machine, load, capacity.budget, part)
    own = prefill.mixed.total * prefill.chunks
    decodes = load.gen_tokens - 1
    others = max(0.0, part - prefill.together) * prefill.extra
    cycle = own + decodes * decode.total + others
    groups = max(1.0, part / prefill.together)
    client = machine.client(load.prompt_tokens)
    queue = cycle - own
    if decodes:
        lag = machine.overlapped + (0.5 + client / decode.total if load.concurrency <= batch else 0.0)
        turn = max(_steps_waited(groups, prefill.chunks, decodes), _behind(groups, prefill.chunks, lag))
        running = (0.5 + machine.overlapped) * decode.total  # has to end, and what is scheduled already
        queue = min(queue, turn * prefill.mixed.total + running * (1 - 1 / groups))
    decoding = cycle - own - queue
    waiting = max(0, load.concurrency - batch) / batch * cycle
    ttft, tpot = own + queue + waiting + client, decoding / decodes if decodes else 0.0
    return Loop(
        ttft=ttft,
        tpot=tpot,
        ttft_p95=ttft,
        tpot_p95=tpot,
        waiting=waiting,
        requests_per_s=batch / (cycle + client),
        batch=batch,
        decode=decode,
        prefill=prefill.mixed,
    )


def _behind(groups: float, chunks: float, lag: float) -> float:
    """Steps that the median prompt waits for others, where equal requests began one after the other and so end.

    A group of prompts began `chunks` steps after the one before, and ends as many tokens later. `lag` decode steps pass before
    the next prompts of the first group are in the engine (client, tokenizer, steps that are scheduled already): by so much the
    other groups catch up, and from then on one token a step of prefill. The k-th group finds k - 1 others before it, or `lag`.
    """
    return min((groups - 1) / 2 * chunks, lag)


def _steps_waited(groups: float, chunks: float, decodes: int) -> float:
    """Steps that a prompt waits for others: each of `groups` needs `chunks` steps to itself, then decodes for `decodes`.

    A closed network of one server and a delay (Schweitzer's mean value analysis); service is even, which halves the wait
    where the server is not saturated.
    """
    idle = decodes - chunks * groups
    spent = (-idle + (idle * idle + 4.0 * chunks * decodes) ** 0.5) / 2
    return float(max(0.0, -idle - chunks, (spent - chunks) / 2))


def turning_batch(work: ModelWork, machine: Machine, load: Workload, limit: int) -> int | None:
    """The smallest batch up to `limit` whose decode step computes for longer than it reads; None where there is none."""

    def computes(batch: int) -> bool:
        decode = step_time(work, machine, Batch(requests=batch, context=_context(load)))
        return decode.compute >= decode.memory

    if not computes(limit):
        return None
    low, high = 0, limit
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if computes(middle) else (middle, high)
    return high


def _context(load: Workload) -> float:
    """The mean length of a request while it decodes."""
    return load.prompt_tokens + load.gen_tokens / 2


def _prefill(work: ModelWork, machine: Machine, load: Workload, budget: int, part: float) -> _Prefill:
    """Equal requests that began in one step end in one step and stay together: as many prompts as the budget takes."""
    prompt = load.new_tokens
    most = (budget - part) / (prompt - 1) if prompt > 1 else part  # of them decode budget - part, at least
    together = max(1, min(int(most), ceil(part)))
    chunks = max(1.0, prompt / max(1.0, budget - part + 1))
    decoding = Batch(requests=max(0.0, part - together), context=_context(load))
    beside = step_time(work, machine, decoding)
    mixed = step_time(
        work,
        machine,
        Batch(
            requests=decoding.requests,
            context=decoding.context,
            chunk=prompt * together / chunks,
            prompt=float(load.prompt_tokens),
            cached=float(load.prompt_tokens - prompt),
            ended=together / chunks,
        ),
    )
    return _Prefill(
        together=together,
        chunks=chunks,
        mixed=mixed,
        extra=max(0.0, mixed.total - beside.total) * chunks / together,
    )
