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
from vram_plugins.plan.search import defaults_of, is_crowded, probe_of, shapes_of, step_tokens
from vram_plugins.plan.trials import Choice, Level, Setup, Trial, attempt
from vram_plugins.targets.capacity import Capacity, capacity_of, held_by_cache, replicas_for, users_for
from vram_plugins.targets.pace import Pace, pace_of

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
    """One replica that starts, with the steps of a batching mode, and what it carries."""

    trial: Trial
    parts: Parts
    mode: BatchingMode
    capacity: Capacity

    @property
    def shape(self) -> Shape:
        """How the model is divided."""
        return self.trial.choice.shape


@frozen(kw_only=True, eq=False)
class Fleet:
    """So many servers of a candidate that keep the targets: each replica is judged with `users` requests at once, of which `mean` are
    there on average. `price` is None where none is known.
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
    length, modes = (
        setup.job.context_len,
        _MODES if setup.job.batching_mode == "balanced" else (setup.job.batching_mode,),
    )
    probe = probe_of(setup, level, length)
    divided = set[tuple[int, int, int]]()
    for shape in shapes_of(setup, probe, count):
        if (shape.tp, shape.pp, shape.dp) in divided or (shape.dp > 1 and setup.pinned.dp is None):
            continue  # replicas are servers of their own; experts as they are usually divided
        steps = dict[int | None, BatchingMode]()
        for mode in modes:
            steps.setdefault(step_tokens(setup, probe, mode, _sequences(setup)[0] or 1), mode)
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
    targets, dp = aims.targets, candidate.shape.dp
    fewest = ceil(replicas_for(targets, aims.users, candidate.capacity) / dp)
    most = aims.most_gpus // candidate.shape.gpus
    if not 1 <= fewest <= most:
        return None
    if targets.goal == "cost":
        return _loaded(candidate, setup, aims, fewest)
    if targets.goal == "throughput":
        return _loaded(candidate, setup, aims, most)
    return min((_loaded(candidate, setup, aims, count) for count in _numbers(fewest, most)), key=partial(_order, aims))


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
        return (-fleet.replicas * fleet.candidate.capacity.requests_per_s, *cost)
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
    replicas, capacity, targets = servers * candidate.shape.dp, candidate.capacity, aims.targets
    pace = partial(pace_of, candidate.parts, aims.lengths, targets.percentile)
    users, mean = ceil(aims.users / replicas), 0.0
    if targets.goal == "throughput":
        users, mean = capacity.users, capacity.mean
    elif targets.requests_per_second is not None:
        mean, met = users_for(targets.requests_per_second / replicas, capacity, pace, targets.percentile)
        users = max(users, met)
    return Fleet(
        candidate=candidate,
        servers=servers,
        users=users,
        mean=mean,
        pace=pace(users),
        price=aims.prices.of_servers(setup.hardware.gpu.name, servers, candidate.shape.gpus),
    )


def _with_shares(setup: Setup, choice: Choice, mode: BatchingMode, aims: Aims) -> Iterator[Candidate]:
    """A choice at the share of the GPU with which it starts; where its cache is what limits it, also at the largest."""
    trial = _starting(setup, choice)
    if trial is None:
        return
    found = _candidate(trial, mode, aims)
    yield found
    highest = setup.highest_utilization
    if found.capacity.limited_by == "KV cache" and highest is not None and trial.choice.utilization != highest:
        larger = attempt(setup, evolve(trial.choice, utilization=highest))
        if larger is not None and larger.cell.surely_fits:
            yield _candidate(larger, mode, aims)


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


def _candidate(trial: Trial, mode: BatchingMode, aims: Aims) -> Candidate:
    parts = compute(trial.question)
    capacity = capacity_of(
        parts,
        aims.lengths,
        aims.targets,
        by_cache=held_by_cache(parts, aims.lengths),
        by_batch=trial.question.deployment.max_num_seqs,
    )
    return Candidate(trial=trial, parts=parts, mode=mode, capacity=capacity)
