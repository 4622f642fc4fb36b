"""An Estimate as a person reads it: verdict first, the breakdown per GPU, vLLM's numbers, what to change.

Written with click, which is there anyway: importing rich for this one table would take half as long as the answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

import click

from vram.architecture.engine import TOLD
from vram.models.estimate import Estimate
from vram.models.interval import Interval
from vram.report.terminal import columns
from vram.units import GIB, counted, format_gib

_BAR = 28
_BETWEEN = "  "
_COLOURS = {
    "weights": "blue",
    "activation peak": "yellow",
    "CUDA graphs": "magenta",
    "non-torch": "red",
    "KV cache": "green",
}


def print_estimate(estimate: Estimate, *, explain: bool = False) -> None:
    """Write the answer to the terminal; without colours where it is none, or where NO_COLOR says so."""
    click.echo("\n".join(_lines(estimate, explain=explain)), color=_coloured())


def _coloured() -> bool | None:
    """Whether to colour; None leaves it to whether standard output is a terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return True if os.environ.get("FORCE_COLOR") else None


def _lines(estimate: Estimate, *, explain: bool) -> Iterator[str]:
    yield _title(estimate)
    yield from (click.style(f"! {sentence}", fg="yellow") for sentence in estimate.left_out)
    yield from _reasons(estimate)
    yield ""
    yield from _ways_out(estimate)
    yield from _breakdown(estimate)
    yield ""
    yield from _vllm_words(estimate)
    yield from _limits(estimate)
    yield _sources(estimate)
    if explain:
        yield from _explanation(estimate)


def _title(estimate: Estimate) -> str:
    verdict, facts = estimate.verdict, estimate.deployment
    if verdict.certainty == "borderline":
        headline = click.style("? may not start", fg="yellow", bold=True)
    elif not verdict.starts:
        headline = click.style("✗ does not start", fg="red", bold=True)
    elif not verdict.fits:
        headline = click.style("! starts, but the workload does not fit", fg="yellow", bold=True)
    else:
        headline = click.style("✓ starts and fits", fg="green", bold=True)
    ranks = facts.tensor_parallel_size * facts.pipeline_parallel_size * facts.data_parallel_size
    count = f"{ranks} × " if ranks > 1 else ""
    return (
        f"{headline}   {estimate.model.id} on {count}{facts.gpu}, {facts.concurrency} × {facts.max_model_len:,} tokens, "
        f"vLLM {facts.vllm_version}"
    )


def _breakdown(estimate: Estimate) -> Iterator[str]:
    memory = estimate.memory
    shown = (
        ("weights", memory.weights),
        ("activation peak", memory.activation_peak),
        ("CUDA graphs", memory.cuda_graphs),
        ("non-torch", memory.non_torch),
        ("KV cache", memory.kv_cache_available),
    )
    rows: list[tuple[str, ...]] = [
        ("per GPU", "GiB", "low … high", f"of the budget ({format_gib(memory.budget_bytes)})", "")
    ]
    start = 0
    for name, interval in shown:
        bar = _bar(_COLOURS[name], start, interval.expected, memory.budget_bytes)
        rows.append((name, _number(interval.expected), _spread(interval), bar, interval.provenance))
        start += interval.expected
    for name, interval in (("  of it needed", memory.kv_cache_required), ("headroom", memory.headroom)):
        rows.append((name, _number(interval.expected), _spread(interval), "", ""))
    if estimate.deployment.used_memory_bytes:
        rows.append(("other processes", _number(estimate.deployment.used_memory_bytes), "", "", ""))
    rows = _fitting(rows, columns())
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    for index, row in enumerate(rows):
        line = _BETWEEN.join(
            _padded(cell, width, right=at in (1, 2)) for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield line.rstrip() if index else click.style(line.rstrip(), bold=True)


def _fitting(rows: list[tuple[str, ...]], room: int | None) -> list[tuple[str, ...]]:
    """The rows without the columns that a narrow terminal has no room for: the bars first, then where figures are from, then their span."""
    for kept in ((0, 1, 2, 3, 4), (0, 1, 2, 4), (0, 1, 2)):
        shown = [tuple(row[at] for at in kept) for row in rows]
        width = sum(max(map(_width, column)) for column in zip(*shown, strict=True)) + len(_BETWEEN) * (len(kept) - 1)
        if room is None or width <= room:
            return shown
    return [row[:2] for row in rows]


def _padded(cell: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(cell))
    return space + cell if right else cell + space


def _width(cell: str) -> int:
    return len(click.unstyle(cell))


def _bar(colour: str, start: int, size: int, budget: int) -> str:
    scale = _BAR / budget if budget > 0 else 0
    left = min(_BAR, max(0, round(start * scale)))
    width = min(_BAR - left, max(0, round(size * scale)))
    before, after = (click.style("·" * count, dim=True) if count else "" for count in (left, _BAR - left - width))
    return before + (click.style("█" * width, fg=colour) if width else "") + after


def _number(value: int) -> str:
    return f"{value / GIB:.2f}"


def _spread(interval: Interval) -> str:
    if interval.low == interval.high:
        return ""
    return f"{interval.low / GIB:.2f} … {interval.high / GIB:.2f}"


def _vllm_words(estimate: Estimate) -> Iterator[str]:
    """The lines vLLM prints, with the predicted numbers."""
    memory, plan, facts = estimate.memory, estimate.kv_cache, estimate.deployment
    if any(check.name == "weights" and not check.passed for check in estimate.verdict.checks):
        yield from _section("vLLM will run out of memory while loading the weights.", ())
        return
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
    yield from _section("vLLM will print", lines)


def _limits(estimate: Estimate) -> Iterator[str]:
    facts, limits, host = estimate.deployment, estimate.limits, estimate.host
    if estimate.kv_cache.groups and limits.max_context_at_concurrency:
        lines = (
            f"{limits.max_context_at_concurrency:,} tokens per request with {facts.concurrency} at once",
            f"{counted(limits.max_concurrency_at_context, 'request')} of {facts.max_model_len:,} tokens",
        )
        yield from _section("Limits, with the headroom kept", lines)
    ram, disk = format_gib(host.ram.expected, 1), format_gib(host.disk.low, 1)
    shared = f", {format_gib(host.shared_memory.high, 1)} of /dev/shm" if host.shared_memory.high else ""
    yield from _section("Beside the GPUs", (f"about {ram} of RAM{shared}, {disk} of disk or more",))


def _section(heading: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading, its lines, and an empty one."""
    yield click.style(heading, bold=True)
    yield from (f"  {line}" for line in lines)
    yield ""


def _reasons(estimate: Estimate) -> Iterator[str]:
    """Why not, and what else is to be known of the verdict."""
    for check in estimate.verdict.checks:
        if not check.passed:
            yield click.style(f"✗ {check.message}.", fg="red")
    for warning in estimate.verdict.warnings:
        if warning not in estimate.left_out:  # else it stands above
            yield click.style(f"! {warning}", fg="yellow")


def _ways_out(estimate: Estimate) -> Iterator[str]:
    """Changes with which it starts and fits, a flag line and what it costs."""
    if estimate.verdict.no_change:
        yield from (estimate.verdict.no_change, "")
    if estimate.verdict.changes:
        yield click.style("Starts and fits with one of these", bold=True)
        for change in estimate.verdict.changes:
            yield f"  {change.words}" + click.style(f"   costs {change.gives_up}", dim=True)
        yield ""


def _sources(estimate: Estimate) -> str:
    source = estimate.model.source
    known = {
        "catalog": "the bundled catalog", "cache": "the Hub cache", "hub": "the Hub", "local": "local files",
        "manual": "dimensions given by hand", "graph": "its config and the tensors that a plugin tells of",
    }  # fmt: skip
    text = f"Model facts from {known.get(source, source)}; overhead profile {estimate.deployment.profile}."
    if estimate.model.stands_in:
        text += " The Hub had not answered in time; it is asked again the next time."
    text += "".join(
        f" {n.component} are {n.source}'s own, {n.note}." for n in estimate.provenance if n.component == TOLD
    )
    return click.style(text, dim=True)


def _explanation(estimate: Estimate) -> Iterator[str]:
    yield ""
    yield click.style("How each number comes about", bold=True)
    yield from (f"  {line}" for line in estimate.explanation)
    for note in estimate.provenance:
        if note.note:
            yield click.style(f"  {note.component} ({note.source}): {note.note}", dim=True)
    yield ""
