"""From a fleet that keeps the targets to a recommendation: one replica asked as a whole question, and what all of them give."""

from __future__ import annotations

from vram.components import compute
from vram.models.plan import Recommendation
from vram.models.published import Published
from vram.models.record import evolve
from vram.models.targets import Service
from vram_plugins.plan.meeting import Aims, Fleet, fleet_of
from vram_plugins.plan.recommend import as_recommended
from vram_plugins.plan.shortfall import law_of, reasons_of
from vram_plugins.plan.smaller import Met, Smaller
from vram_plugins.plan.trials import Setup, Trial, attempt
from vram_plugins.targets.curve import curve_of
from vram_plugins.targets.pace import pace_of, performance_at

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
        performance=performance_at(
            compute(trial.question), aims.lengths.prompt_tokens, aims.lengths.gen_tokens, fleet.users
        ),
        service=service,
    )


def planned_replica(setup: Setup, fleet: Fleet, aims: Aims) -> tuple[Setup, Trial]:
    """The replica with no more sequences than keep the targets, and the load it is planned for."""
    candidate = fleet.candidate
    held = candidate.parts.most_requests(setup.job.context_len)
    users = max(1, min(fleet.users, held)) * candidate.shape.dp
    job = evolve(setup.job, concurrency=users, batching_mode=candidate.mode)
    planned = evolve(setup, job=job)
    choice = candidate.trial.choice
    if choice.max_num_seqs is not None:
        capped = attempt(planned, evolve(choice, max_num_seqs=candidate.capacity.users))
        if capped is not None and capped.cell.surely_fits and _keeps(capped, fleet, aims):
            return planned, capped
    trial = attempt(planned, choice)
    assert trial is not None
    return planned, trial


def _keeps(trial: Trial, fleet: Fleet, aims: Aims) -> bool:
    """Whether a replica, as it would be run, keeps the targets with its load."""
    pace = pace_of(compute(trial.question), aims.lengths, aims.targets.percentile, fleet.users)
    return pace.keeps(aims.targets) and pace.requests_per_s * fleet.replicas >= (
        aims.targets.requests_per_second or 0.0
    )


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


def _fewest(setup: Setup, met: Met, aims: Aims) -> int:
    """The GPUs of the cheapest fleet with the same model, whatever the goal."""
    cheap = evolve(aims, targets=evolve(aims.targets, goal="cost"))
    fleets = [fleet for one in met.candidates if (fleet := fleet_of(one, setup, cheap)) is not None]
    assert met.fleet is not None
    return min((fleet.gpus for fleet in fleets), default=met.fleet.gpus)
