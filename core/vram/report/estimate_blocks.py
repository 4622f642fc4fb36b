"""An Estimate as a report: verdict, breakdown, vLLM's numbers, limits, what to change, plots, where numbers are from."""

from __future__ import annotations

from collections.abc import Iterable

from vram.models.curves import Plots
from vram.models.estimate import Estimate
from vram.models.interval import Interval
from vram.report.charts import breakdown_chart, curve_chart, field_chart
from vram.report.document import Block, Code, Document, Figure, Heading, Headline, Items, Legend, Paragraph, Table, Tone
from vram.units import GIB, counted, format_gib

BREAKDOWN_LEGEND = Legend(
    entries=(
        ("weights", "weights"), ("activation", "activation peak"), ("graphs", "CUDA graphs"), ("nontorch", "non-torch"),
        ("kv", "KV cache needed"), ("pool", "KV cache to spare"),
    )
)  # fmt: skip
CURVE_LEGEND = Legend(entries=(("weights", "weights"), ("overhead", "overhead"), ("kv", "KV cache")))
FIELD_LEGEND = Legend(
    entries=(("roomy", "fits"), ("tight", "fits, tight"), ("just-not", "fits not quite"), ("not", "does not fit"))
)


def estimate_document(estimate: Estimate, plots: Plots | None = None, *, command: str = "") -> Document:
    """The report; with `plots` figures are drawn, `command` is the `vllm serve` line to copy."""
    head = headline(estimate)
    blocks: list[Block] = [
        head,
        *_advice(estimate),
        Heading(text="Memory per GPU"),
        Figure(svg=breakdown_chart(estimate)),
        BREAKDOWN_LEGEND,
        _breakdown(estimate),
        *vllm_lines(estimate),
        *_limits(estimate),
    ]
    if command:
        blocks += [Heading(text="Command"), Code(text=command)]
    if plots is not None:
        blocks += _figures(plots)
    blocks += _explanation(estimate)
    return Document(title=f"{estimate.model.id} on {estimate.deployment.gpu}: {head.text}", blocks=tuple(blocks))


def headline(estimate: Estimate) -> Headline:
    """The verdict with what it is about."""
    verdict, facts = estimate.verdict, estimate.deployment
    text, tone = "starts and fits", "good"
    if not verdict.starts:
        text, tone = "does not start", "bad"
    elif not verdict.fits:
        text, tone = "starts, but the workload does not fit", "warn"
    if verdict.certainty == "borderline":
        text, tone = "may not start", "warn"
    ranks = facts.tensor_parallel_size * facts.pipeline_parallel_size * facts.data_parallel_size
    detail = (
        f"{estimate.model.id} on {f'{ranks} × ' if ranks > 1 else ''}{facts.gpu}, "
        f"{facts.concurrency:,} × {facts.max_model_len:,} tokens, vLLM {facts.vllm_version}"
    )
    tones: dict[str, Tone] = {"good": "good", "warn": "warn", "bad": "bad"}
    return Headline(text=text, detail=detail, tone=tones[tone])


def vllm_lines(estimate: Estimate) -> Iterable[Block]:
    """The lines vLLM prints, with the predicted numbers."""
    memory, plan, facts = estimate.memory, estimate.kv_cache, estimate.deployment
    yield Heading(text="vLLM will print")
    if any(check.name == "weights" and not check.passed for check in estimate.verdict.checks):
        yield Paragraph(text="It will run out of memory while loading the weights.")
        return
    lines = [
        f"Model loading took {format_gib(memory.weights.expected)}",
        f"Available KV cache memory: {format_gib(memory.kv_cache_available.expected)}",
    ]
    if plan.groups:
        lines += [
            f"GPU KV cache size: {plan.tokens:,} tokens",
            f"Maximum concurrency for {facts.max_model_len:,} tokens per request: {plan.max_concurrency:.2f}x",
        ]
    yield Code(text="\n".join(lines))


def _advice(estimate: Estimate) -> Iterable[Block]:
    failed = [check for check in estimate.verdict.checks if not check.passed]
    if failed:
        yield Items(items=tuple(f"{check.message}." for check in failed), tone="bad")
    if estimate.verdict.warnings:
        yield Items(items=estimate.verdict.warnings, tone="warn")
    if estimate.verdict.no_change:
        yield Paragraph(text=estimate.verdict.no_change)
    if estimate.verdict.changes:
        yield Heading(text="Starts and fits with one of these")
        rows = tuple((change.words, change.gives_up) for change in estimate.verdict.changes)
        yield Table(header=("change", "what it costs"), rows=rows)


def _breakdown(estimate: Estimate) -> Table:
    memory = estimate.memory
    rows = (
        ("weights", memory.weights),
        ("activation peak", memory.activation_peak),
        ("CUDA graphs", memory.cuda_graphs),
        ("non-torch", memory.non_torch),
        ("KV cache pool", memory.kv_cache_available),
        ("KV cache needed", memory.kv_cache_required),
        ("headroom", memory.headroom),
    )
    budget = (
        f"budget ({estimate.deployment.gpu_memory_utilization:g} of the GPU)",
        f"{memory.budget_bytes / GIB:.2f}",
        "",
        "",
    )
    return Table(
        header=("per GPU", "GiB", "low … high", "known from"),
        rows=(*((name, f"{one.expected / GIB:.2f}", _spread(one), one.provenance) for name, one in rows), budget),
        numeric=frozenset({1, 2}),
    )


def _spread(one: Interval) -> str:
    return "" if one.low == one.high else f"{one.low / GIB:.2f} … {one.high / GIB:.2f}"


def _limits(estimate: Estimate) -> Iterable[Block]:
    if not estimate.kv_cache.groups:
        return
    facts, limits = estimate.deployment, estimate.limits
    yield Heading(text="Limits, with the headroom kept")
    yield Items(
        items=(
            f"{limits.max_context_at_concurrency:,} tokens per request with {facts.concurrency:,} at once",
            f"{counted(limits.max_concurrency_at_context, 'request')} of {facts.max_model_len:,} tokens",
        )
    )


def _figures(plots: Plots) -> list[Block]:
    blocks: list[Block] = [
        Heading(text="Memory against context and users"),
        CURVE_LEGEND,
        Figure(svg=curve_chart(plots.by_context), caption=f"With {plots.by_users.asked:,} requests at once."),
        Figure(svg=curve_chart(plots.by_users), caption=f"With {plots.by_context.asked:,} tokens per request."),
    ]
    if plots.field is not None and plots.field.columns:
        blocks += [Heading(text="What fits"), FIELD_LEGEND, Figure(svg=field_chart(plots.field))]
    return blocks


def _explanation(estimate: Estimate) -> Iterable[Block]:
    yield Heading(text="How each number comes about")
    if estimate.explanation:
        yield Items(items=estimate.explanation)
    notes = tuple(f"{note.component} ({note.source}): {note.note}" for note in estimate.provenance if note.note)
    if notes:
        yield Items(items=notes)
    yield Paragraph(
        text=f"Model facts: {estimate.model.source}{' (the Hub had not answered in time)' if estimate.model.stands_in else ''}. "
        f"Overhead profile: {estimate.deployment.profile}. "
        "Written by vram; no weights were read and no GPU was used."
    )
