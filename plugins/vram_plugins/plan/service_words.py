"""What a plan with targets gives, as lines for a terminal and as rows of a report."""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.plan import Plan, Recommendation
from vram.models.targets import Service, Targets
from vram.units import counted


def asked_words(plan: Plan) -> str:
    """What was asked, in one phrase."""
    targets, lengths, job = plan.targets, plan.lengths, plan.job
    if targets is None or lengths is None:
        return ""
    parts = []
    if targets.requests_per_second is not None:
        parts.append(f"{targets.requests_per_second:g} requests/s")
    if job.concurrency > 1 or not parts:
        parts.append(counted(job.concurrency, "user"))
    parts += [f"{name} within {most:,g} ms" for name, most in _times(targets)]
    mean = "on average " if lengths.source else ""
    what = f"{mean}{lengths.prompt_tokens:,} + {lengths.gen_tokens:,} tokens"
    return f"{', '.join(parts)} ({targets.percentile} of 100); {what}; {targets.goal}"


def heading_of(found: Recommendation) -> str:
    """ "3 × 2 × H100": servers, GPUs of each, and their name."""
    if found.servers == 1:
        return f"{found.gpus} × {found.gpu}"
    return f"{found.servers} × {found.gpus // found.servers} × {found.gpu}"


def rows_of(service: Service, targets: Targets) -> Iterator[tuple[str, str, str]]:
    """(what, what is surely kept, target) of each figure."""
    yield "first token, ms", f"{service.ttft_ms:,.0f}", _target(targets.ttft_ms, "≤ {:,g}")
    if service.tpot_ms:
        yield "each further token, ms", f"{service.tpot_ms:,.1f}", _target(targets.tpot_ms, "≤ {:,g}")
    yield "requests/s", f"{service.most_requests_per_s:,.3g}", _target(targets.requests_per_second, "≥ {:,g}")
    yield "users who ask again when answered", f"{service.most_users:,}", ""
    if service.price_per_hour is not None:
        yield f"{service.currency or 'price'}/h", f"{service.price_per_hour:,.2f}", ""


def limit_words(service: Service) -> str:
    """What stops more, as a sentence."""
    each = " in a replica" if service.replicas > 1 else ""
    if service.limited_by == "KV cache":
        return f"Limited by the KV cache: it holds {service.most_users // service.replicas:,} requests{each}."
    if service.limited_by == "max_num_seqs":
        return f"Limited by max_num_seqs: {service.most_users // service.replicas:,} requests at once{each}."
    if service.limited_by == "requests per second":
        return f"Limited by what it finishes: more per second would wait ever longer (decoding is bound by {service.bound})."
    what = "prefill" if service.limited_by == "time to first token" else "decoding"
    return f"Limited by the {service.limited_by}: more{each} would not keep it ({what} is bound by {service.bound})."


def service_lines(plan: Plan) -> Iterator[str]:
    """What the deployment surely gives, where there are targets."""
    found, targets = plan.recommendation, plan.targets
    if found is None or found.service is None or targets is None:
        return
    service = found.service
    yield "Surely kept (the unfavourable ends of the intervals):"
    for what, kept, asked in rows_of(service, targets):
        most = "up to " if what in {"requests/s", "users who ask again when answered"} else ""
        yield f"  {what}: {most}{kept}{f'   (target {asked})' if asked else ''}"
    yield f"  {service.words}"
    yield f"  {limit_words(service)}"


def _times(targets: Targets) -> Iterator[tuple[str, float]]:
    if targets.ttft_ms is not None:
        yield "first token", targets.ttft_ms
    if targets.tpot_ms is not None:
        yield "each further one", targets.tpot_ms


def _target(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)
