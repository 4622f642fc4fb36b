"""What plans with targets say: why a deployment does not keep them, Little's law with its numbers, and the reasons of flags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import inf

from vram.models.plan import Setting
from vram.models.record import evolve
from vram.models.targets import Service
from vram.units import counted
from vram_plugins.plan.meeting import Aims, Candidate, Fleet
from vram_plugins.plan.trials import Setup
from vram_plugins.targets.capacity import held_by_cache
from vram_plugins.targets.pace import Pace, pace_at, pace_with, surely_finished


def shortfall(candidate: Candidate, servers: int, aims: Aims) -> str:
    """Why so many servers of a candidate do not keep the targets, as the end of a sentence."""
    targets, shape = aims.targets, candidate.shape
    what, replicas = _servers(servers, shape.gpus), servers * shape.dp
    if held_by_cache(candidate.parts, aims.lengths) < 1:
        return f"on {what} the KV cache does not hold one request"
    alone = pace_with(candidate.parts, aims.lengths, targets.percentile, 1)
    if alone.broken(targets) is not None:
        return f"on {_servers(1, shape.gpus)} one request alone {_too_slow(alone, aims)}"
    users = int(candidate.most_users(aims).amount) * replicas if aims.users > 1 else aims.users
    if users < aims.users:
        return f"{what} keep{_s(what)} the targets for {users:,} users at once, not {aims.users:,}"
    rate = targets.requests_per_second or 0.0
    pace = pace_at(candidate.parts, aims.lengths, targets.percentile, rate / replicas)
    if pace.requests_per_s < rate / replicas:
        done = pace.requests_per_s * replicas
        return f"{what} surely finish{'es' if _s(what) else ''} {done:,.3g} of {rate:g} requests per second"
    each = f"{rate / replicas:,.3g} requests per second{' each' if replicas > 1 else ''}"
    return f"on {what}, with {each}, one {_too_slow(pace, aims)}"


def nearness(candidate: Candidate, servers: int, aims: Aims) -> tuple[bool, float]:
    """How close so many servers come, at a glance: whether one request keeps the times, and what all surely finish."""
    alone = pace_with(candidate.parts, aims.lengths, aims.targets.percentile, 1)
    kept = alone.broken(aims.targets) is None
    if not kept:
        return False, -_factor(alone, aims)
    return True, surely_finished(candidate.parts, aims.lengths) * servers * candidate.shape.dp


def excess(candidate: Candidate, servers: int, aims: Aims) -> float:
    """By how much so many servers miss the targets, as a factor; 1 and less is kept."""
    targets, replicas = aims.targets, servers * candidate.shape.dp
    alone = pace_with(candidate.parts, aims.lengths, targets.percentile, 1)
    missed = _factor(alone, aims)
    if missed > 1 or replicas < 1:
        return 1e3 * missed  # no number of servers mends that
    if aims.users > 1:
        missed = max(missed, aims.users / max(1e-9, candidate.most_users(aims).amount * replicas))
    if (rate := targets.requests_per_second) is not None:
        pace = pace_at(candidate.parts, aims.lengths, targets.percentile, rate / replicas)
        missed = max(missed, _factor(pace, aims), rate / replicas / max(1e-9, pace.requests_per_s))
    return missed


def law_of(fleet: Fleet, aims: Aims) -> str:
    """How many requests are in it at once, as a sentence: Little's law where a rate is asked for."""
    rate, replicas = aims.targets.requests_per_second, fleet.replicas
    each = f"{fleet.users:,} in each of {replicas}" if replicas > 1 else f"{fleet.users:,}"
    if rate is None or not fleet.mean:
        return f"At once: {each}."
    total = fleet.mean * replicas
    return (
        f"Little's law: {rate:g} requests per second × {total / rate:,.3g} s in it = {total:,.3g} in it on average; "
        f"{aims.targets.percentile} of 100 that come at random find no more than {each}, themselves included."
    )


def reasons_of(settings: Iterable[Setting], setup: Setup, aims: Aims, service: Service) -> Iterator[Setting]:
    """The flags with the reasons that targets give them."""
    for setting in settings:
        if setting.name == "max_num_seqs" and setting.name not in setup.given:
            if aims.targets.requests_per_second is None and setting.value == service.most_users // service.replicas:
                yield evolve(setting, reason=f"with more at once {_beyond(service)}; who comes then waits")
            else:
                yield evolve(setting, reason="what the times are reckoned with; more at once would push each other out")
        elif setting.name == "max_model_len" and setting.name not in setup.given and aims.lengths.source:
            yield evolve(setting, reason=f"the longest request of {aims.lengths.source}")
        else:
            yield setting


def _servers(servers: int, gpus: int) -> str:
    return f"{servers} × {counted(gpus, 'GPU')}" if servers > 1 else counted(gpus, "GPU")


def _s(what: str) -> str:
    return "s" if what == "1 GPU" else ""


def _too_slow(pace: Pace, aims: Aims) -> str:
    """Which time is not kept, with both figures."""
    targets = aims.targets
    if pace.broken(targets) == "time to first token":
        return f"may wait {pace.ttft_ms:,.0f} ms for its first token, not {targets.ttft_ms or 0:,.0f}"
    return f"may take {pace.tpot_ms:,.1f} ms a token, not {targets.tpot_ms or 0:,.1f}"


def _factor(pace: Pace, aims: Aims) -> float:
    pairs = ((pace.ttft_ms, aims.targets.ttft_ms), (pace.tpot_ms, aims.targets.tpot_ms))
    return max((got / asked for got, asked in pairs if asked is not None), default=1.0 if pace.requests_per_s else inf)


def _beyond(service: Service) -> str:
    """What happens beyond the most users."""
    if service.limited_by == "KV cache":
        return "the KV cache would not hold them"
    return (
        f"the {service.limited_by} would not keep its target"
        if service.limited_by != "max_num_seqs"
        else "none fits a step"
    )
