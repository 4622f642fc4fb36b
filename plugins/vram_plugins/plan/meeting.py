"""The search of a plan with targets: for each way to divide a model what one replica carries, and from that how many are needed."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import ceil, inf

from vram.components import Parts, compute
from vram.models.plan import BatchingMode
from vram.models.record import evolve, frozen
from vram.models.targets import Lengths, Targets
from vram_plugins.compare.prices import PriceList
from vram_plugins.plan.candidates import Shape
from vram_plugins.plan.search import defaults_of, is_crowded, probe_of, shapes_of, steps_of
from vram_plugins.plan.trials import Choice, Level, Setup, Trial, attempt
from vram_plugins.targets.arrivals import at_once
from vram_plugins.targets.capacity import Most, held_by_cache, rate_within, replicas_for, users_within
from vram_plugins.targets.pace import Pace, pace_at, pace_with

#: sequences at once to try where vLLM's own number of them leaves no room
_FEWER_SEQUENCES = (64, 16)
_MODES: tuple[BatchingMode, ...] = ("balanced", "latency", "throughput")


@frozen(kw_only=True, eq=False)
class Aims:
    """What is aimed at: targets, of requests of these lengths, by so many users, on so many GPUs at most, at these prices; a server
    has one of the numbers of GPUs in `sizes`.
    """

    targets: Targets
    lengths: Lengths
    users: int
    most_gpus: int
    sizes: tuple[int, ...]
    prices: PriceList
    lighter: bool = True


@frozen(kw_only=True, eq=False)
class Candidate:
    """One replica that starts, with the steps of a batching mode."""

    trial: Trial
    parts: Parts
    mode: BatchingMode

    @property
    def shape(self) -> Shape:
        """How the model is divided."""
        return self.trial.choice.shape

    def most_users(self, aims: Aims) -> Most:
        """How many users it takes within the targets."""
        return users_within(self.parts, aims.lengths, aims.targets)

    def most_per_second(self, aims: Aims, kept: float = 0.0) -> Most:
        """How many requests per second it takes within the targets; `kept` is a rate that it takes."""
        return rate_within(self.parts, aims.lengths, aims.targets, kept)


@frozen(kw_only=True, eq=False)
class Fleet:
    """So many servers of a candidate that keep the targets: `users` are the requests at once in each replica, `mean` how many are
    there on average where they come at a rate. `price` is None where none is known.
    """

    candidate: Candidate
    servers: int
    users: int
    mean: float
    pace: Pace
    price: float | None

    @property
    def replicas(self) -> int:
        """Copies of the model."""
        return self.servers * self.candidate.shape.dp

    @property
    def gpus(self) -> int:
        """GPUs of all servers."""
        return self.servers * self.candidate.shape.gpus


def candidates(setup: Setup, level: Level, count: int, aims: Aims) -> Iterator[Candidate]:
    """Every replica on exactly `count` GPUs that surely starts: a way to divide the model, the tokens of a step, and a share."""
    length, asked = setup.job.context_len, setup.job.batching_mode
    probe = probe_of(setup, level, length)
    steps = steps_of(setup, probe, _MODES if asked == "balanced" else (asked,), _sequences(setup)[0] or 1)
    divided = set[tuple[int, int, int]]()
    for shape in shapes_of(setup, probe, count):
        if (shape.tp, shape.pp, shape.dp) in divided or (shape.dp > 1 and setup.pinned.dp is None):
            continue  # replicas are servers of their own; experts as they are usually divided
        for tokens, mode in steps.items():
            found = tuple(
                _with_shares(
                    setup, Choice(level=level, shape=shape, length=length, max_num_batched_tokens=tokens), mode, aims
                )
            )
            if found:
                divided.add((shape.tp, shape.pp, shape.dp))
            yield from found


def fleet_of(candidate: Candidate, setup: Setup, aims: Aims) -> Fleet | None:
    """The servers of one candidate that are wanted; None where they do not keep the targets with the GPUs there are."""
    dp, most = candidate.shape.dp, aims.most_gpus // candidate.shape.gpus
    if most < 1:
        return None
    fewest = ceil(replicas_for(candidate.parts, aims.lengths, aims.targets, aims.users, most=most * dp) / dp)
    if not 1 <= fewest <= most:
        return None
    if aims.targets.goal == "cost":
        return _loaded(candidate, setup, aims, fewest)
    if aims.targets.goal == "throughput":
        return _loaded(candidate, setup, aims, most)
    return min((_loaded(candidate, setup, aims, count) for count in _numbers(fewest, most)), key=partial(_order, aims))


def bounded(aims: Aims, fleets: list[Fleet], candidate: Candidate) -> Aims:
    """The aims with no more GPUs than would be better than what was found: what is worse needs no look."""
    if aims.targets.goal != "cost" or not fleets or any(price.instance for price in aims.prices.prices):
        return aims
    best = best_of(fleets, aims)
    assert best is not None
    simpler = candidate.shape.pp < best.candidate.shape.pp
    return evolve(aims, most_gpus=min(aims.most_gpus, best.gpus if simpler else best.gpus - 1))


def best_of(fleets: list[Fleet], aims: Aims) -> Fleet | None:
    """The one that serves the goal best."""
    return min(fleets, key=partial(_order, aims), default=None)


def _order(aims: Aims, fleet: Fleet) -> tuple[float, ...]:
    """Price, or the number of GPUs, first; or time; or what is carried. Of equals the one without pipeline stages."""
    seconds, stages = fleet.pace.seconds(aims.lengths.gen_tokens), fleet.candidate.shape.pp
    cost = (inf if fleet.price is None else fleet.price, fleet.gpus, stages, fleet.servers)
    if aims.targets.goal == "latency":
        return (seconds, *cost)
    if aims.targets.goal == "throughput":
        return (-fleet.replicas * fleet.candidate.most_per_second(aims).amount, *cost)
    return (*cost, seconds)


def _numbers(fewest: int, most: int) -> Iterator[int]:
    """Numbers of servers worth a look: the fewest, twice as many and so on, all."""
    count = fewest
    while count < most:
        yield count
        count *= 2
    yield most


def _loaded(candidate: Candidate, setup: Setup, aims: Aims, servers: int) -> Fleet:
    """So many servers with the load that falls to each replica."""
    replicas, targets, parts = servers * candidate.shape.dp, aims.targets, candidate.parts
    users, mean = ceil(aims.users / replicas), 0.0
    pace = pace_with(parts, aims.lengths, targets.percentile, users)
    rate = None if targets.requests_per_second is None else targets.requests_per_second / replicas
    if targets.goal == "throughput":
        rate = candidate.most_per_second(aims).amount or rate
    if rate is not None:
        open_pace = pace_at(parts, aims.lengths, targets.percentile, rate)
        mean = rate * open_pace.seconds(aims.lengths.gen_tokens)
        users = max(users, at_once(mean, targets.percentile))
        pace = open_pace if aims.users == 1 else _slower(pace, open_pace)
    return Fleet(
        candidate=candidate,
        servers=servers,
        users=users,
        mean=mean,
        pace=pace,
        price=aims.prices.of_servers(setup.hardware.gpu.name, servers, candidate.shape.gpus),
    )


def _slower(first: Pace, second: Pace) -> Pace:
    """What both ways to ask keep."""
    return Pace(
        ttft_ms=max(first.ttft_ms, second.ttft_ms),
        tpot_ms=max(first.tpot_ms, second.tpot_ms),
        requests_per_s=min(first.requests_per_s, second.requests_per_s),
    )


def _with_shares(setup: Setup, choice: Choice, mode: BatchingMode, aims: Aims) -> Iterator[Candidate]:
    """A choice at the share of the GPU with which it starts; where its cache is what limits it, also at the largest."""
    trial = _starting(setup, choice)
    if trial is None:
        return
    found = Candidate(trial=trial, parts=compute(trial.question), mode=mode)
    yield found
    highest = setup.highest_utilization
    if highest is None or trial.choice.utilization == highest:
        return
    if aims.targets.requests_per_second is None:  # arrivals a larger cache may yet finish sooner
        held = min(held_by_cache(found.parts, aims.lengths), trial.question.deployment.max_num_seqs)
        full = pace_with(found.parts, aims.lengths, aims.targets.percentile, max(1, held))
        if full.broken(aims.targets) is not None:
            return  # it would hold more than the times allow
    larger = attempt(setup, evolve(trial.choice, utilization=highest))
    if larger is not None and larger.cell.surely_fits:
        yield Candidate(trial=larger, parts=compute(larger.question), mode=mode)


def _starting(setup: Setup, choice: Choice) -> Trial | None:
    """The first share and number of sequences with which it surely starts and holds one request."""
    crowded = False
    for utilization in (*setup.utilizations, *setup.lower_utilizations):
        if utilization not in setup.utilizations and not crowded:
            return None
        for sequences in _sequences(setup):
            trial = attempt(setup, evolve(choice, utilization=utilization, max_num_seqs=sequences))
            if trial is None:
                return None
            if trial.cell.surely_fits:
                return trial
            crowded = crowded or is_crowded(trial.cell)
    return None


def _sequences(setup: Setup) -> tuple[int | None, ...]:
    """max_num_seqs to try; None where the user gave it."""
    if "max_num_seqs" in setup.given:
        return (None,)
    own = defaults_of(setup).max_num_seqs
    return tuple(dict.fromkeys((own, *(fewer for fewer in _FEWER_SEQUENCES if fewer < own))))
