"""A Plan as a person reads it: verdict, the command, what each flag does, speed, limits, other ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.models.performance import Performance, Range
from vram.models.plan import Option, Plan, Recommendation
from vram.models.targets import SpeedCurve
from vram.report import open_console, print_table
from vram.units import GIB, counted, format_gib
from vram_plugins.plan.service_words import asked_words, heading_of, service_lines

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text


def print_plan(plan: Plan, *, explain: bool = False, console: Console | None = None) -> None:
    """Write the answer to the terminal; `explain` adds the reason of each flag."""
    console = console or open_console()
    found = plan.recommendation
    console.print(_title(plan))
    if found is None:
        no = "It does not fit" if plan.targets is None else "No deployment keeps the targets"
        console.print(f"{no}: {plan.obstacle}.\n", markup=False)
        if plan.targets is not None:
            return
        _print_options(console, "Nearest that fits" if plan.options else "", plan.options)
        if not plan.options:
            console.print("No shorter context, fewer users, more GPUs or other GPU was found that does.")
        return
    console.print(found.command, markup=False, soft_wrap=True)
    console.print()
    print_table(console, _flags(found, explain=explain))
    console.print("" if explain else "--explain gives the reason of each.\n", style="dim")
    for line in (*service_lines(plan), *_memory(found), *_speed(found.performance), *_limits(found)):
        console.print(line, markup=False, highlight=False)
    others = [f"{each.id} ({each.quantization})" for each in found.published if each.id != found.model]
    if others:
        console.print(f"Also published: {', '.join(others)}", markup=False)
    console.print()
    if found.service is not None:
        _print_curve(console, found.service.curve)
        _print_options(console, "Too small" if plan.refused else "", plan.refused)
    _print_options(console, "Other ways" if plan.options else "", plan.options)
    for warning in (*found.estimate.verdict.warnings, *plan.warnings):
        console.print(f"! {warning}", style="yellow", markup=False)


def _title(plan: Plan) -> Text:
    from rich.text import Text

    job, found = plan.job, plan.recommendation
    users = f"{job.concurrency:,} user{'s' if job.concurrency > 1 else ''}"
    work = f"{users} × {job.context_len:,} tokens{' (assumed)' if job.assumed else ''}, {job.batching_mode}"
    work = asked_words(plan) or work
    if found is None:
        text = Text("✗ no", style="bold red")
        gpus = f"up to {plan.most_gpus} × {plan.gpu}" if plan.most_gpus > 1 else f"1 × {plan.gpu}"
        return text.append(f"   {plan.model} on {gpus}: {work}\n", style="not bold default")
    text = Text(f"✓ {heading_of(found)}", style="bold green")
    text.append(f"   {found.model}: {work}\n", style="not bold default")
    return text.append(f"  {found.hardware_reason[0].upper()}{found.hardware_reason[1:]}.\n", style="not bold dim")


def _print_curve(console: Console, curve: SpeedCurve) -> None:
    from vram_plugins.targets.curve_text import curve_text

    console.print(curve_text(curve), markup=False, highlight=False, soft_wrap=True)
    console.print()


def _flags(found: Recommendation, *, explain: bool) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("flag", no_wrap=True)
    table.add_column("value", justify="right")
    if explain:
        table.add_column("because")
    for setting in found.settings:
        value = "on" if setting.value is True else str(setting.value)
        row = ("--" + setting.name.replace("_", "-"), value)
        table.add_row(*((*row, setting.reason) if explain else row))
    return table


def _memory(found: Recommendation) -> list[str]:
    memory, plan = found.estimate.memory, found.estimate.kv_cache
    overhead = memory.activation_peak.expected + memory.cuda_graphs.expected + memory.non_torch.expected
    parts = [
        f"weights {memory.weights.expected / GIB:.2f}",
        f"KV cache needed {memory.kv_cache_required.expected / GIB:.2f}",
        f"overhead {overhead / GIB:.2f}",
        f"free {memory.headroom.expected / GIB:.2f}",
    ]
    lines = [f"Per GPU, GiB of {memory.budget_bytes / GIB:.2f}: {', '.join(parts)}"]
    if plan.groups:
        lines.append(f"vLLM will print: GPU KV cache size: {plan.tokens:,} tokens")
    return lines


def _speed(speed: Performance | None) -> list[str]:
    if speed is None:
        return []
    load = speed.workload
    if not speed.output_tokens_per_s.expected:
        return [
            f"Speed per replica, estimated, {load.prompt_tokens:,} tokens a request, {load.concurrency:,} at once:",
            f"  {_range(speed.requests_per_s)} requests/s, {_range(speed.total_tokens_per_s)} tokens/s, "
            f"{_range(speed.ttft_ms)} ms a request (bound by {speed.bound})",
        ]
    rate = load.request_rate
    at = f"for {load.concurrency:,} at once" if rate is None else f"at {rate:,.3g} requests/s"
    return [
        f"Speed per replica, estimated, {load.prompt_tokens:,} prompt + {load.gen_tokens:,} generated tokens:",
        f"  first token {_range(speed.ttft_ms)} ms, then {_range(speed.tpot_ms)} ms per token (bound by {speed.bound})",
        f"  {_range(speed.output_tokens_per_s)} output tokens/s {at}, "
        f"{_range(speed.output_tokens_per_s_per_user)} per user",
    ]


def _range(value: Range) -> str:
    digits = 0 if value.expected >= 100 else 1
    return f"{value.expected:,.{digits}f} ({value.low:,.{digits}f} … {value.high:,.{digits}f})"


def _limits(found: Recommendation) -> list[str]:
    limits, facts = found.limits, found.estimate.deployment
    users = facts.concurrency
    lines = ["Limits, with the headroom kept:"]
    if found.estimate.kv_cache.groups:
        replica = " per replica" if found.replicas > 1 else ""
        lines.append(f"  {limits.max_context:,} tokens per request with {users:,} at once{replica}")
        lines.append(f"  {counted(limits.max_concurrency, 'request')} of {facts.max_model_len:,} tokens")
    smallest = counted(limits.min_gpus, "GPU") + (" for the targets" if found.service is not None else "")
    if limits.min_utilization is not None:
        smallest += f", utilization {limits.min_utilization:g}"
    if limits.min_memory_bytes is not None:
        smallest += f", or GPUs of {format_gib(limits.min_memory_bytes)}"
    return [*lines, f"  at least {smallest}"]


def _print_options(console: Console, title: str, options: tuple[Option, ...]) -> None:
    if not title:
        return
    console.print(title, style="bold")
    for option in options:
        console.print(f"  {option.title}", markup=False)
        console.print(f"    {option.command}", style="dim", markup=False, soft_wrap=True)
    console.print()
