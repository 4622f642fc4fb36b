"""`vram.plan` with targets of speed: the servers that keep them, from the model as it is on, and what is one size too small."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from vram.components import compute
from vram.errors import InputError
from vram.models.plan import Option, Plan, Recommendation
from vram.models.record import evolve, frozen
from vram.models.targets import Service
from vram.units import counted
from vram.vllm import format_version
from vram_plugins.plan.candidates import GPUS_PER_MACHINE
from vram_plugins.plan.meeting import Aims, Candidate, Fleet, best_of, candidates, fleet_of
from vram_plugins.plan.nearest import described
from vram_plugins.plan.reasons import obstacle_of
from vram_plugins.plan.recommend import as_recommended, served_model, trial_command
from vram_plugins.plan.shortfall import law_of, reasons_of, shortfall
from vram_plugins.plan.trials import Level, Setup, Trial, attempt
from vram_plugins.targets.curve import curve_of
from vram_plugins.targets.pace import pace_of, performance_at

_MOST_LIGHTER = 3


@frozen(kw_only=True, eq=False)
class Met:
    """What was found at one level: every candidate that starts, and the fleet that serves the goal best."""

    level: Level
    candidates: tuple[Candidate, ...]
    fleet: Fleet | None


def plan_for_targets(setup: Setup, levels: tuple[Level, ...], aims: Aims, closest: Callable[[], Trial | None]) -> Plan:
    """The plan of the first level that keeps the targets, with lighter ones that are cheaper as other ways; `closest` is what comes
    nearest to a start where none does. Raises VramError for a GPU whose speed is not known.
    """
    base = Plan(
        model=setup.base.checkpoint.id,
        gpu=setup.hardware.gpu.name,
        most_gpus=aims.most_gpus,
        job=setup.job,
        recommendation=None,
        targets=aims.targets,
        lengths=aims.lengths,
    )
    setup = evolve(setup, job=evolve(setup.job, concurrency=1))  # how many a replica takes is what is looked for
    found = met_first(setup, levels, aims)
    met = found[-1]
    if met.fleet is None:
        return evolve(base, obstacle=why_not(found, aims, closest))
    change = ""
    if len(found) > 1:
        stored = described(met.level)
        change = f". {stored[0].upper()}{stored[1:]}, since as it is, {why_not(found[:1], aims, closest)}"
    return evolve(
        base,
        recommendation=recommended_fleet(setup, met, aims, change=change),
        options=tuple(_lighter(setup, levels[len(found) :], met.fleet, aims)),
        refused=smaller_options(setup, met, aims),
    )


def _lighter(setup: Setup, levels: tuple[Level, ...], fleet: Fleet, aims: Aims) -> Iterator[Option]:
    """Forms of the model that keep the targets for less, each cheaper than the one before."""
    if aims.targets.goal != "cost" or fleet.gpus == 1:
        return
    for level in _worth_a_look(levels):
        other = met_at(setup, level, evolve(aims, most_gpus=fleet.gpus - 1)).fleet
        if other is None or (fleet.price is not None and (other.price is None or other.price >= fleet.price)):
            continue
        fleet = other
        _, trial = _planned_replica(setup, fleet)
        gpus = counted(fleet.candidate.shape.gpus, "GPU")
        yield _option(setup, trial, f"{fleet.servers} × {gpus} {described(level)}", fleet.gpus)
        if fleet.gpus == 1:
            return


def _worth_a_look(levels: tuple[Level, ...]) -> Iterator[Level]:
    """A few of many lighter forms: each in the cache dtype of its own, of equal quantizations one, and the model itself with fp8."""
    seen = set[str | None]()
    for level in levels:
        variant = level.variant
        stored = variant.published.quantization if variant.published is not None else variant.quantization
        if stored not in seen and len(seen) < _MOST_LIGHTER and (variant.own or level.kv_cache_dtype == "auto"):
            seen.add(stored)
            yield level


def check_timed(setup: Setup) -> None:
    """Raises InputError where no time can be predicted."""
    if setup.base.spec.runner == "pooling":
        problem = "generates no tokens, and targets are of first and further tokens"
        raise InputError(name="model", value=setup.base.checkpoint.id, problem=problem)


def met_first(setup: Setup, levels: Iterable[Level], aims: Aims) -> list[Met]:
    """Levels one after another, up to the first that keeps the targets. Raises VramError for a GPU whose speed is not known."""
    found: list[Met] = []
    for level in levels:
        found.append(met_at(setup, level, aims))
        if found[-1].fleet is not None:
            break
    return found


def met_at(setup: Setup, level: Level, aims: Aims) -> Met:
    """The best fleet of a level: servers within one machine, or of several where nothing smaller starts."""
    seen: list[Candidate] = []
    fleets: list[Fleet] = []
    for count in aims.sizes:
        if count > aims.most_gpus or (seen and count > GPUS_PER_MACHINE):
            break
        if aims.targets.goal == "cost" and any(fleet.gpus < count for fleet in fleets):
            break  # so many GPUs for one server are more than for all of those
        for candidate in candidates(setup, level, count, aims):
            seen.append(candidate)
            fleet = fleet_of(candidate, setup, aims)
            fleets += [fleet] if fleet is not None else []
    return Met(level=level, candidates=tuple(seen), fleet=best_of(fleets, aims))


def recommended_fleet(setup: Setup, met: Met, aims: Aims, *, change: str) -> Recommendation:
    """The fleet as a recommendation, its replica asked once more as a whole question. Raises VramError."""
    fleet = met.fleet
    assert fleet is not None
    planned, trial = _planned_replica(setup, fleet)
    smaller = tuple(_smaller(setup, met, aims))
    reason = f"{smaller[0][0]}{change}" if smaller else f"one is enough{change}"
    found = as_recommended(planned, trial, hardware_reason=reason, published=())
    service = _service(trial, fleet, aims)
    limits = evolve(
        found.limits,
        min_gpus=fleet.gpus if aims.targets.goal == "cost" else _fewest(setup, met, aims),
        max_concurrency=found.limits.max_concurrency * fleet.servers,
    )
    return evolve(
        found,
        gpus=fleet.gpus,
        replicas=fleet.replicas,
        settings=tuple(reasons_of(found.settings, setup, aims, service)),
        limits=limits,
        performance=performance_at(
            compute(trial.question), aims.lengths.prompt_tokens, aims.lengths.gen_tokens, fleet.users
        ),
        service=service,
    )


def smaller_options(setup: Setup, met: Met, aims: Aims) -> tuple[Option, ...]:
    """One size smaller than the fleet, each with the reason why it does not do."""
    return tuple(_option(setup, trial, title, gpus) for title, gpus, trial in _smaller(setup, met, aims))


def _option(setup: Setup, trial: Trial, title: str, gpus: int) -> Option:
    return Option(
        title=title,
        gpu=setup.hardware.gpu.name,
        gpus=gpus,
        model=served_model(trial.choice.level.variant),
        max_model_len=trial.choice.length,
        concurrency=trial.question.deployment.concurrency,
        command=trial_command(setup, trial),
        vllm_version=format_version(trial.question.deployment.vllm_version),
    )


def why_not(found: list[Met], aims: Aims, closest: Callable[[], Trial | None]) -> str:
    """Why nothing keeps the targets, told of what comes closest."""
    seen = [candidate for met in found for candidate in met.candidates]
    if not seen:
        nearest = closest()
        none = "the parallel sizes given do not divide the model's heads, layers or widths"
        return none if nearest is None else obstacle_of(nearest.cell, nearest)
    able = [one for one in seen if one.capacity.users]
    if able:
        best = max(able, key=lambda one: one.capacity.requests_per_s / one.shape.gpus)
        servers = max(1, aims.most_gpus // best.shape.gpus)
        return shortfall(best, servers, aims)
    best = min(seen, key=lambda one: _excess(one, aims))
    return shortfall(best, 1, aims)


def _excess(candidate: Candidate, aims: Aims) -> float:
    """By how much one request alone misses the targets, as a factor."""
    pace = pace_of(candidate.parts, aims.lengths, aims.targets.percentile, 1)
    pairs = ((pace.ttft_ms, aims.targets.ttft_ms), (pace.tpot_ms, aims.targets.tpot_ms))
    return max((got / asked for got, asked in pairs if asked is not None), default=1.0)


def _planned_replica(setup: Setup, fleet: Fleet) -> tuple[Setup, Trial]:
    """The replica with no more sequences than keep the targets, and the load it is planned for."""
    candidate = fleet.candidate
    held = candidate.parts.most_requests(setup.job.context_len)
    users = max(1, min(fleet.users, held)) * candidate.shape.dp
    job = evolve(setup.job, concurrency=users, batching_mode=candidate.mode)
    planned = evolve(setup, job=job)
    choice = candidate.trial.choice
    if choice.max_num_seqs is not None:
        capped = attempt(planned, evolve(choice, max_num_seqs=candidate.capacity.users))
        if capped is not None and capped.cell.surely_fits:
            return planned, capped
    trial = attempt(planned, choice)
    assert trial is not None
    return planned, trial


def _service(trial: Trial, fleet: Fleet, aims: Aims) -> Service:
    capacity, targets = fleet.candidate.capacity, aims.targets
    speed = performance_at(compute(trial.question), aims.lengths.prompt_tokens, aims.lengths.gen_tokens, fleet.users)
    carried = targets.requests_per_second or fleet.pace.requests_per_s * fleet.replicas
    return Service(
        replicas=fleet.replicas,
        servers=fleet.servers,
        users_per_replica=fleet.users,
        users=round(fleet.mean * fleet.replicas, 1) if fleet.mean else None,
        most_users=capacity.users * fleet.replicas,
        ttft_ms=fleet.pace.ttft_ms,
        tpot_ms=fleet.pace.tpot_ms,
        requests_per_s=carried,
        most_requests_per_s=max(carried, capacity.requests_per_s * fleet.replicas),
        limited_by=capacity.limited_by,
        bound=speed.prefill_bound if capacity.limited_by == "time to first token" else speed.bound,
        words=law_of(fleet, aims),
        curve=curve_of(
            fleet.candidate.parts,
            aims.lengths,
            most=min(fleet.candidate.trial.question.deployment.max_num_seqs, 4 * capacity.users),
            chosen=fleet.users,
            replicas=fleet.replicas,
            targets=targets,
        ),
        price_per_hour=fleet.price,
        currency=aims.prices.currency,
    )


def _smaller(setup: Setup, met: Met, aims: Aims) -> Iterator[tuple[str, int, Trial]]:
    """(why it does not do, GPUs, a replica of it): a server less, and smaller servers on fewer GPUs."""
    fleet = met.fleet
    assert fleet is not None
    shape = fleet.candidate.shape
    if aims.targets.goal == "cost" and fleet.servers > 1:
        fewer = fleet.servers - 1
        yield shortfall(fleet.candidate, fewer, aims), fewer * shape.gpus, fleet.candidate.trial
    others = [(one, (fleet.gpus - 1) // one.shape.gpus) for one in met.candidates if one.shape.gpus < shape.gpus]
    if not others:
        return
    best, servers = max(others, key=lambda pair: (pair[0].capacity.requests_per_s * pair[1], -_excess(pair[0], aims)))
    if fleet_of(best, setup, evolve(aims, most_gpus=servers * best.shape.gpus)) is None:
        yield shortfall(best, servers, aims), servers * best.shape.gpus, best.trial


def _fewest(setup: Setup, met: Met, aims: Aims) -> int:
    """The GPUs of the cheapest fleet with the same model, whatever the goal."""
    cheap = evolve(aims, targets=evolve(aims.targets, goal="cost"))
    fleets = [fleet for one in met.candidates if (fleet := fleet_of(one, setup, cheap)) is not None]
    assert met.fleet is not None
    return min((fleet.gpus for fleet in fleets), default=met.fleet.gpus)
