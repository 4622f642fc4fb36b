"""What plans with targets say: why a deployment does not keep them, Little's law with its numbers, and the reasons of flags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vram.models.plan import Setting
from vram.models.record import evolve
from vram.models.targets import Service
from vram.units import counted
from vram_plugins.plan.meeting import Aims, Candidate, Fleet
from vram_plugins.plan.trials import Setup
from vram_plugins.targets.pace import pace_of


def shortfall(candidate: Candidate, servers: int, aims: Aims) -> str:
    """Why so many servers of a candidate do not keep the targets, as the end of a sentence."""
    capacity, targets, shape = candidate.capacity, aims.targets, candidate.shape
    what = f"{servers} × {counted(shape.gpus, 'GPU')}" if servers > 1 else counted(shape.gpus, "GPU")
    if capacity.users < 1:
        alone = pace_of(candidate.parts, aims.lengths, targets.percentile, 1)
        if capacity.limited_by == "time to first token":
            asked = f"{targets.ttft_ms:,.0f}" if targets.ttft_ms is not None else ""
            return f"on {what} one request alone may wait {alone.ttft_ms:,.0f} ms for its first token, not {asked}"
        if capacity.limited_by == "time per token":
            asked = f"{targets.tpot_ms:,.1f}" if targets.tpot_ms is not None else ""
            return f"on {what} one request alone may take {alone.tpot_ms:,.1f} ms a token, not {asked}"
        return f"on {what} the KV cache does not hold one request"
    replicas = servers * shape.dp
    if targets.requests_per_second is not None:
        rate = capacity.requests_per_s * replicas
        if rate < targets.requests_per_second:
            return (
                f"{what} surely finish{'es' if what.startswith('1 GPU') else ''} {rate:,.3g} of {targets.requests_per_second:g} "
                f"requests per second within the targets ({capacity.users:,} at once{' each' if replicas > 1 else ''})"
            )
    return f"{what} keep{'s' if what == '1 GPU' else ''} the targets for {capacity.users * replicas:,} users at once, not {aims.users:,}"


def law_of(fleet: Fleet, aims: Aims) -> str:
    """How many requests are in it at once, as a sentence: Little's law where a rate is asked for."""
    rate, replicas = aims.targets.requests_per_second, fleet.replicas
    each = f"{fleet.users:,} at once in each of {replicas}" if replicas > 1 else f"{fleet.users:,} at once"
    if rate is None or not fleet.mean:
        return f"Judged with {each}."
    total = fleet.mean * replicas
    return (
        f"Little's law: {rate:g} requests per second × {total / rate:,.1f} s in it = {total:,.1f} in it on average; "
        f"judged with {each}, which {aims.targets.percentile} of 100 that arrive at random do not exceed."
    )


def reasons_of(settings: Iterable[Setting], setup: Setup, aims: Aims, service: Service) -> Iterator[Setting]:
    """The flags with the reasons that targets give them."""
    most = service.most_users // service.replicas
    for setting in settings:
        if setting.name == "max_num_seqs" and setting.name not in setup.given and setting.value == most:
            yield evolve(setting, reason=f"with more at once {_beyond(service)}; who comes then waits")
        elif setting.name == "max_model_len" and setting.name not in setup.given and aims.lengths.source:
            yield evolve(setting, reason=f"the longest request of {aims.lengths.source}")
        else:
            yield setting


def _beyond(service: Service) -> str:
    """What happens beyond the most users."""
    if service.limited_by == "KV cache":
        return "the KV cache would not hold them"
    return (
        f"the {service.limited_by} would not keep its target"
        if service.limited_by != "max_num_seqs"
        else "none fits a step"
    )
