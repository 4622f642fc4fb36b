"""From a fleet that keeps the targets to a recommendation: one replica asked as a whole question, and what all of them give."""

from __future__ import annotations

from math import ceil

from vram.components import compute
from vram.models.performance import Performance
from vram.models.plan import Recommendation
from vram.models.published import Published
from vram.models.record import evolve
from vram.models.targets import Service
from vram_plugins.plan.meeting import Aims, Fleet, fleet_of
from vram_plugins.plan.recommend import as_recommended
from vram_plugins.plan.shortfall import law_of, reasons_of
from vram_plugins.plan.smaller import Met, Smaller
from vram_plugins.plan.trials import Setup, Trial, attempt
from vram_plugins.targets.capacity import rate_is_kept
from vram_plugins.targets.curve import curve_of
from vram_plugins.targets.pace import pace_with, speed_at, speed_with

#: why so many GPUs, where fewer were no question
_GOALS = {
    "cost": "as many as the parallel sizes given take",
    "latency": "the quickest of all that were tried",
    "throughput": "what carries most of all that were tried",
}


def recommended_fleet(
    setup: Setup,
    met: Met,
    aims: Aims,
    smaller: tuple[Smaller, ...],
    *,
    change: str,
    published: tuple[Published, ...],
) -> Recommendation:
    """The fleet as a recommendation, its replica asked once more as a whole question; `smaller` says why so many. Raises VramError."""
    fleet = met.fleet
    assert fleet is not None
    planned, trial = planned_replica(setup, fleet, aims)
    reason = (smaller[0].reason if smaller else _GOALS[aims.targets.goal]) + change
    if not smaller and fleet.gpus == 1:
        reason = f"one is enough{change}"
    found = as_recommended(planned, trial, hardware_reason=reason, published=published)
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
        performance=_speed(trial, fleet, aims),
        service=service,
    )


def planned_replica(setup: Setup, fleet: Fleet, aims: Aims) -> tuple[Setup, Trial]:
    """The replica with the load it is planned for, and no more sequences than the cache holds; of users than keep the targets."""
    candidate = fleet.candidate
    held = candidate.parts.most_requests(setup.job.context_len)
    users = max(1, min(fleet.users, held)) * candidate.shape.dp
    planned = evolve(setup, job=evolve(setup.job, concurrency=users, batching_mode=candidate.mode))
    choice = candidate.trial.choice
    if choice.max_num_seqs is not None:
        by_rate = aims.targets.requests_per_second is not None
        most = max(fleet.users, held) if by_rate else int(candidate.most_users(aims).amount)
        capped = attempt(planned, evolve(choice, max_num_seqs=min(choice.max_num_seqs, most)))
        if capped is not None and capped.cell.surely_fits and _keeps(capped, fleet, aims):
            return planned, capped
    trial = attempt(planned, choice)
    assert trial is not None
    return planned, trial


def _keeps(trial: Trial, fleet: Fleet, aims: Aims) -> bool:
    """Whether a replica, as it would be run, keeps the targets with its share of the load."""
    parts, targets, lengths = compute(trial.question), aims.targets, aims.lengths
    share = ceil(aims.users / fleet.replicas)
    if pace_with(parts, lengths, targets.percentile, share).broken(targets) is not None:
        return False
    rate = targets.requests_per_second
    return rate is None or rate_is_kept(parts, lengths, targets, rate / fleet.replicas)


def _service(trial: Trial, fleet: Fleet, aims: Aims) -> Service:
    candidate, targets = fleet.candidate, aims.targets
    share = (targets.requests_per_second or 0.0) / fleet.replicas
    users, rate = (
        candidate.most_users(aims),
        candidate.most_per_second(aims, 0.0 if targets.goal == "throughput" else share),
    )
    limit = users.limited_by if targets.requests_per_second is None else rate.limited_by
    speed = _speed(trial, fleet, aims)
    return Service(
        replicas=fleet.replicas,
        servers=fleet.servers,
        users_per_replica=fleet.users,
        users=round(fleet.mean * fleet.replicas, 1) if fleet.mean else None,
        most_users=int(users.amount) * fleet.replicas,
        ttft_ms=fleet.pace.ttft_ms,
        tpot_ms=fleet.pace.tpot_ms,
        requests_per_s=targets.requests_per_second or fleet.pace.requests_per_s * fleet.replicas,
        most_requests_per_s=max(rate.amount * fleet.replicas, targets.requests_per_second or 0.0),
        limited_by=limit,
        bound=speed.prefill_bound if limit == "time to first token" else speed.bound,
        words=law_of(fleet, aims),
        curve=curve_of(
            candidate.parts,
            aims.lengths,
            most=min(candidate.trial.question.deployment.max_num_seqs, max(fleet.users, 4 * int(users.amount))),
            chosen=fleet.users,
            replicas=fleet.replicas,
            targets=targets,
        ),
        price_per_hour=fleet.price,
        currency=aims.prices.currency,
    )


def _speed(trial: Trial, fleet: Fleet, aims: Aims) -> Performance:
    """One replica with what it is asked: its share of the rate, else its users."""
    parts, rate = compute(trial.question), aims.targets.requests_per_second
    if rate is None:
        return speed_with(parts, aims.lengths, fleet.users)
    return speed_at(parts, aims.lengths, rate / fleet.replicas)


def _fewest(setup: Setup, met: Met, aims: Aims) -> int:
    """The GPUs of the cheapest fleet with the same model, whatever the goal."""
    cheap = evolve(aims, targets=evolve(aims.targets, goal="cost"))
    fleets = [fleet for one in met.candidates if (fleet := fleet_of(one, setup, cheap)) is not None]
    assert met.fleet is not None
    return min((fleet.gpus for fleet in fleets), default=met.fleet.gpus)
