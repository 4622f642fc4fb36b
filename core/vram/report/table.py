"""An Estimate as a person reads it: verdict first, the breakdown per GPU, vLLM's numbers, what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.models.estimate import Estimate
from vram.models.interval import Interval
from vram.units import GIB, counted, format_gib

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

_BAR = 28
_COLOURS = {
    "weights": "blue",
    "activation peak": "yellow",
    "CUDA graphs": "magenta",
    "non-torch": "red",
    "KV cache": "green",
}


def print_estimate(estimate: Estimate, *, explain: bool = False, console: Console | None = None) -> None:
    """Write the answer to the terminal."""
    from rich.console import Console

    console = console or Console(highlight=False)
    for block in (_title(estimate), _breakdown(estimate), _vllm_words(estimate), _limits(estimate)):
        console.print(block)
    for line in _advice(estimate):
        console.print(line)
    if explain:
        console.print(_explanation(estimate))


def _title(estimate: Estimate) -> Text:
    from rich.text import Text

    verdict, facts = estimate.verdict, estimate.deployment
    if not verdict.starts:
        headline = Text("✗ does not start", style="bold red")
    elif not verdict.fits:
        headline = Text("! starts, but the workload does not fit", style="bold yellow")
    else:
        headline = Text("✓ starts and fits", style="bold green")
    ranks = facts.tensor_parallel_size * facts.pipeline_parallel_size * facts.data_parallel_size
    count = f"{ranks} × " if ranks > 1 else ""
    headline.append(
        f"   {estimate.model.id} on {count}{facts.gpu}, {facts.concurrency} × {facts.max_model_len:,} tokens, "
        f"vLLM {facts.vllm_version}",
        style="not bold default",
    )
    headline.append("\n")
    return headline


def _breakdown(estimate: Estimate) -> Table:
    from rich.table import Table

    memory = estimate.memory
    rows: list[tuple[str, Interval]] = [
        ("weights", memory.weights),
        ("activation peak", memory.activation_peak),
        ("CUDA graphs", memory.cuda_graphs),
        ("non-torch", memory.non_torch),
    ]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("per GPU")
    table.add_column("GiB", justify="right")
    table.add_column("low … high", justify="right")
    table.add_column(f"of the budget ({format_gib(memory.budget_bytes)})")
    table.add_column("")
    start = 0
    for name, interval in rows:
        table.add_row(*_row(name, interval, start, memory.budget_bytes))
        start += interval.expected
    pool = memory.kv_cache_available
    table.add_row(*_row("KV cache", pool, start, memory.budget_bytes))
    needed = memory.kv_cache_required
    table.add_row("  of it needed", _number(needed.expected), _spread(needed), "", "")
    table.add_row("headroom", _number(memory.headroom.expected), _spread(memory.headroom), "", "")
    return table


def _row(name: str, interval: Interval, start: int, budget: int) -> tuple[str, str, str, RenderableType, str]:
    from rich.text import Text

    scale = _BAR / budget if budget > 0 else 0
    left = min(_BAR, max(0, round(start * scale)))
    width = min(_BAR - left, max(0, round(interval.expected * scale)))
    bar = Text("·" * left + "█" * width + "·" * (_BAR - left - width), style="dim")
    bar.stylize(f"not dim {_COLOURS[name]}", left, left + width)
    return name, _number(interval.expected), _spread(interval), bar, interval.provenance


def _number(value: int) -> str:
    return f"{value / GIB:.2f}"


def _spread(interval: Interval) -> str:
    if interval.low == interval.high:
        return ""
    return f"{interval.low / GIB:.2f} … {interval.high / GIB:.2f}"


def _vllm_words(estimate: Estimate) -> Text:
    """The lines vLLM prints, with the predicted numbers."""
    from rich.text import Text

    memory, plan, facts = estimate.memory, estimate.kv_cache, estimate.deployment
    if any(check.name == "weights" and not check.passed for check in estimate.verdict.checks):
        return Text("\nvLLM will run out of memory while loading the weights.\n", style="bold")
    lines = [
        f"Model loading took {memory.weights.expected / GIB:.2f} GiB",
        f"Available KV cache memory: {memory.kv_cache_available.expected / GIB:.2f} GiB",
    ]
    if plan.groups:
        lines += [
            f"GPU KV cache size: {plan.tokens:,} tokens",
            f"Maximum concurrency for {facts.max_model_len:,} tokens per request: {plan.max_concurrency:.2f}x",
        ]
    else:
        lines.append("no KV cache: this model keeps nothing between requests")
    text = Text("\nvLLM will print\n", style="bold")
    for line in lines:
        text.append(f"  {line}\n", style="not bold")
    return text


def _limits(estimate: Estimate) -> Text:
    from rich.text import Text

    facts, limits = estimate.deployment, estimate.limits
    if not estimate.kv_cache.groups:
        return Text("")
    text = Text("Limits, with the headroom kept\n", style="bold")
    text.append(
        f"  {limits.max_context_at_concurrency:,} tokens per request with {facts.concurrency} at once\n"
        f"  {counted(limits.max_concurrency_at_context, 'request')} of {facts.max_model_len:,} tokens\n",
        style="not bold",
    )
    return text


def _advice(estimate: Estimate) -> list[Text]:
    from rich.text import Text

    lines = []
    for check in estimate.verdict.checks:
        if not check.passed:
            line = Text(f"✗ {check.message}.", style="red")
            if check.fix:
                line.append("  Change: ", style="bold").append(check.fix, style="not bold default")
            lines.append(line)
    lines += [Text(f"! {warning}", style="yellow") for warning in estimate.verdict.warnings]
    source = estimate.model.source
    known = {
        "catalog": "the bundled catalog", "cache": "the Hub cache", "hub": "the Hub", "local": "local files",
        "manual": "dimensions given by hand", "graph": "the transformers graph",
    }  # fmt: skip
    lines.append(
        Text(
            f"Model facts from {known.get(source, source)}; overhead profile {estimate.deployment.profile}.",
            style="dim",
        )
    )
    return lines


def _explanation(estimate: Estimate) -> Text:
    from rich.text import Text

    text = Text("\nHow each number comes about\n", style="bold")
    for line in estimate.explanation:
        text.append(f"  {line}\n", style="not bold")
    for note in estimate.provenance:
        if note.note:
            text.append(f"  {note.component} ({note.source}): {note.note}\n", style="not bold dim")
    return text
