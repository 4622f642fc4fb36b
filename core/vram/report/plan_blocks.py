"""A Plan as a report."""

from __future__ import annotations

from vram.models.performance import Performance, Range
from vram.models.plan import Plan, Recommendation
from vram.report.charts import breakdown_chart
from vram.report.document import Block, Code, Document, Figure, Heading, Headline, Items, Paragraph, Table
from vram.report.estimate_blocks import BREAKDOWN_LEGEND, vllm_lines
from vram.units import format_gib


def plan_document(plan: Plan) -> Document:
    """The report: verdict, command, each flag with its reason, memory, speed, limits, other ways."""
    job, found = plan.job, plan.recommendation
    work = f"{job.concurrency:,} × {job.context_len:,} tokens, {job.batching_mode}"
    if found is None:
        head = Headline(
            text="no plan fits", detail=f"{plan.model} on up to {plan.most_gpus} × {plan.gpu}: {work}", tone="bad"
        )
        blocks: list[Block] = [head, Paragraph(text=f"It does not fit: {plan.obstacle}.")]
    else:
        head = Headline(text=f"{found.gpus} × {found.gpu}", detail=f"{found.model}: {work}", tone="good")
        blocks = [head, *_recommended(found)]
    if plan.options:
        blocks.append(Heading(text="Other ways" if found else "Nearest that fits"))
        rows = tuple((option.title, option.command) for option in plan.options)
        blocks.append(Table(header=("what", "command"), rows=rows))
    warnings = (*(found.estimate.verdict.warnings if found else ()), *plan.warnings)
    if warnings:
        blocks.append(Items(items=warnings, tone="warn"))
    return Document(title=f"{plan.model} on {plan.gpu}: {head.text}", blocks=tuple(blocks))


def _recommended(found: Recommendation) -> list[Block]:
    rows = tuple(
        ("--" + setting.name.replace("_", "-"), "on" if setting.value is True else str(setting.value), setting.reason)
        for setting in found.settings
    )
    blocks: list[Block] = [
        Paragraph(text=f"{found.hardware_reason[0].upper()}{found.hardware_reason[1:]}."),
        Code(text=found.command),
        Table(header=("flag", "value", "because"), rows=rows, numeric=frozenset({1})),
        Heading(text="Memory per GPU"),
        Figure(svg=breakdown_chart(found.estimate)),
        BREAKDOWN_LEGEND,
        *vllm_lines(found.estimate),
    ]
    if found.performance:
        blocks += [Heading(text="Speed per replica, estimated"), _speed(found.performance)]
    limits = found.limits
    items = [f"{limits.max_context:,} tokens per request", f"{limits.max_concurrency:,} requests at once"]
    items.append(f"at least {limits.min_gpus} GPU{'s' if limits.min_gpus > 1 else ''}")
    if limits.min_utilization is not None:
        items.append(f"--gpu-memory-utilization of at least {limits.min_utilization:g}")
    if limits.min_memory_bytes is not None:
        items.append(f"GPUs of at least {format_gib(limits.min_memory_bytes)}")
    return [*blocks, Heading(text="Limits, with the headroom kept"), Items(items=tuple(items))]


def _speed(speed: Performance) -> Table:
    rows = (
        ("first token, ms", speed.ttft_ms),
        ("each further token, ms", speed.tpot_ms),
        ("output tokens/s", speed.output_tokens_per_s),
        ("requests/s", speed.requests_per_s),
    )
    cells = tuple((name, _number(value.expected), _spread(value)) for name, value in rows if value.expected)
    return Table(header=(f"bound by {speed.bound}", "expected", "low … high"), rows=cells, numeric=frozenset({1, 2}))


def _spread(value: Range) -> str:
    return f"{_number(value.low)} … {_number(value.high)}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
