"""vLLM's scheduler in miniature: seconds of traffic, step by step, in milliseconds.

What a closed form does not know is simulated: requests that arrive over time or all at once, the ramp and the tail of a
run, and a load above what the machine serves. Rules (`v1/core/sched/scheduler.py:schedule`): running requests decode one
token each; what the token budget leaves goes to waiting prompts in order of arrival, cut where it ends; a request is
admitted while fewer than `batch` run. Steps in which nothing changes are taken together.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import ceil

from vram.advise.machine import Machine
from vram.advise.queueing import Capacity
from vram.advise.roofline import Batch, step_time
from vram.advise.work import ModelWork
from vram.models.performance import Workload
from vram.models.record import frozen

#: steps of two sequences that fill 0 to 1 evenly and do not follow each other
_GOLDEN, _SILVER = 0.6180339887, 0.4142135624


@frozen(kw_only=True)
class Traffic:
    """What a run of requests saw, in seconds.

    `ttft`, `waiting` (before it could run) and `tpot` are one per request (no `tpot` of a single token), `seconds` how long
    the run took, `running` how many ran at once on average while any did.
    """

    ttft: tuple[float, ...]
    tpot: tuple[float, ...]
    waiting: tuple[float, ...]
    seconds: float
    running: float


def simulate(
    work: ModelWork,
    machine: Machine,
    load: Workload,
    capacity: Capacity,
    arrivals: Sequence[float],
    *,
    follow: int = 0,
    spread: float = 0.0,
) -> Traffic:
    """Serve requests that arrive at `arrivals` (ascending, seconds).

    With `follow`, so many more are sent in all, each when one ends (a closed loop). `spread` takes the lengths of prompts and answers
    evenly from their mean · (1 ± spread), so that equal requests do not stay in step.
    """
    return _Run(work, machine, load, capacity, follow, spread).serve(arrivals)


class _Run:
    """The state of a simulation: who waits, who is prefilled, who decodes until which step."""

    def __init__(
        self, work: ModelWork, machine: Machine, load: Workload, capacity: Capacity, follow: int, spread: float
    ) -> None:
        self.work, self.machine, self.load, self.capacity = work, machine, load, capacity
        self.follow, self.spread = follow, spread
        self.decode_time = _decode_times(work, machine, load, capacity)
        self.client = machine.client(load.prompt_tokens)
        self.now, self.scheduled, self.step = 0.0, 0.0, 0
        self.arriving: deque[float] = deque()
        self.prefilling: deque[tuple[float, int]] = deque()  # arrival, tokens left
        self.ends: list[tuple[int, float, float, int]] = []  # last step, arrival, first token, tokens
        self.started = 0  # sum of the steps at which the running ones began to decode
        self.ttft: list[float] = []
        self.tpot: list[float] = []
        self.waited: list[float] = []
        self.busy = self.area = 0.0

    def serve(self, arrivals: Sequence[float]) -> Traffic:
        self.arriving.extend(arrivals)
        while self.arriving or self.prefilling or self.ends:
            self._admit()
            if self.prefilling:
                self._mixed_step()
            elif self.ends:
                self._decode_steps()
            else:
                self.now = self.scheduled = max(self.now, self.arriving[0])
            self._end()
        running = self.area / self.busy if self.busy else 0.0
        return Traffic(
            ttft=tuple(self.ttft),
            tpot=tuple(self.tpot),
            waiting=tuple(self.waited),
            seconds=self.now,
            running=running,
        )

    def _room(self) -> bool:
        return len(self.ends) + len(self.prefilling) + 0.5 <= max(1.0, self.capacity.batch)

    def _admit(self) -> None:
        while self.arriving and self.arriving[0] <= self.scheduled and self._room():
            arrival = self.arriving.popleft()
            self.waited.append(self.now - arrival)
            self.prefilling.append((arrival, self._length(self.load.new_tokens, len(self.waited) * _GOLDEN)))

    def _mixed_step(self) -> None:
        """One step with as many prompt tokens as the budget has left."""
        stages, running = self.capacity.stages, len(self.ends)
        left = max(1.0, self.capacity.budget * stages - running)
        chunk, done = 0.0, 0
        while self.prefilling and left > 0:
            arrival, tokens = self.prefilling[0]
            taken = min(float(tokens), left)
            chunk, left = chunk + taken, left - taken
            if taken < tokens:
                self.prefilling[0] = (arrival, int(tokens - taken))
                break
            self.prefilling.rotate(-1)
            done += 1
            if done == len(self.prefilling):
                break
        took = step_time(
            self.work,
            self.machine,
            Batch(
                requests=running / stages,
                context=self._context(0),
                chunk=chunk / stages,
                prompt=float(self.load.prompt_tokens),
                cached=float(self.load.prompt_tokens - self.load.new_tokens),
                ended=done / stages,
            ),
        ).total
        self._pass(took, 1, running + done)
        for _ in range(done):
            arrival, _ = self.prefilling.pop()
            self._begin(arrival)

    def _begin(self, arrival: float) -> None:
        """A first token was sampled."""
        self.ttft.append(self.now - arrival + self.client)
        gen = self._length(self.load.gen_tokens, len(self.ttft) * _SILVER)
        heappush(self.ends, (self.step + gen - 1, arrival, self.now, gen))
        self.started += self.step

    def _length(self, mean: int, place: float) -> int:
        """A prompt's or an answer's: around the mean, and by its place alone, so that few requests have the same mean as many."""
        return max(1, round(mean * (1 + self.spread * (2 * (place % 1.0) - 1)))) if self.spread else mean

    def _decode_steps(self) -> None:
        """All steps until somebody ends, or arrives while there is room."""
        running, steps = len(self.ends), self.ends[0][0] - self.step
        took = self.decode_time(running / self.capacity.stages, self._context(steps / 2))
        if self.arriving and self._room():
            steps = max(1, min(steps, ceil((self.arriving[0] - self.now) / took) + self.machine.overlapped))
        self._pass(took * steps, steps, running)

    def _pass(self, seconds: float, steps: int, running: int) -> None:
        self.now += seconds
        self.scheduled = self.now - seconds / steps if self.machine.overlapped else self.now
        self.step += steps
        self.busy += seconds
        self.area += seconds * running

    def _context(self, ahead: float) -> float:
        """The mean length of those that decode, `ahead` steps from now."""
        running = len(self.ends)
        return self.load.prompt_tokens + (self.step + ahead - self.started / running if running else 0.0)

    def _end(self) -> None:
        while self.ends and self.ends[0][0] <= self.step:
            last, _, first, gen = heappop(self.ends)
            self.started -= last - gen + 1
            if gen > 1:
                self.tpot.append((self.now - first) / (gen - 1))
            if self.follow:
                self.follow -= 1
                self.arriving.append(self.now + self.client)


def _decode_times(
    work: ModelWork, machine: Machine, load: Workload, capacity: Capacity
) -> Callable[[float, float], float]:
    """Seconds of a decode step by (requests, context), between points that are computed when they are first needed."""
    sizes = [1.0]
    while sizes[-1] < capacity.batch:
        sizes.append(min(float(capacity.batch), max(sizes[-1] + 1, sizes[-1] * 1.25 // 1)))
    near, far = float(load.prompt_tokens), float(load.prompt_tokens + load.gen_tokens)
    known: dict[int, tuple[float, float]] = {}

    def at(place: int, context: float) -> float:
        if place not in known:
            ends = [step_time(work, machine, Batch(requests=sizes[place], context=c)).total for c in (near, far)]
            known[place] = (ends[0], (ends[1] - ends[0]) / (far - near))
        start, slope = known[place]
        return start + slope * (context - near)

    def seconds(requests: float, context: float) -> float:
        above = min(len(sizes) - 1, bisect_right(sizes, requests))
        below = max(0, above - 1)
        if above == below or requests <= sizes[below]:
            return at(below, context)
        share = (requests - sizes[below]) / (sizes[above] - sizes[below])
        return at(below, context) * (1 - share) + at(above, context) * share

    return seconds
