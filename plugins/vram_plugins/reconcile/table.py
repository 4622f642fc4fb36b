"""A log against the estimate, as a person reads it: what went wrong, then the table, then why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vram.report import open_console, print_table
from vram.units import GIB, format_gib
from vram_plugins.logs.stages import WORDS
from vram_plugins.reconcile.records import Component, Reconciliation

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_NAMES = {
    "weights": "weights",
    "activation_peak": "activation peak",
    "non_torch": "non-torch",
    "cuda_graphs": "CUDA graphs",
    "other": "all but weights and KV",
    "kv_cache_available": "KV cache memory",
    "kv_tokens": "KV cache tokens",
    "max_concurrency": "max concurrency",
    "num_blocks": "KV blocks",
}
#: findings whose remedy is no engine argument
_NO_SETTING = frozenset(
    {"profiling", "no_gpu", "arguments", "architecture", "gated", "shared_memory", "killed", "validation"}
)
_READINGS = {
    "weights_bytes": "Model loading took",
    "activation_peak_bytes": "activation peak",
    "non_torch_bytes": "non-torch memory",
    "consumed_bytes": "weights and non-torch",
    "cuda_graph_bytes": "CUDA graphs",
    "available_kv_bytes": "Available KV cache memory",
    "total_bytes": "GPU memory",
}


def print_reconciliation(result: Reconciliation, console: Console | None = None) -> None:
    """Write the comparison to the terminal."""
    console = console or open_console()
    console.print(_title(result))
    for line in (*_findings(result), *_ways_out(result)):
        console.print(line)
    if result.components:
        print_table(console, _table(result))
        for line in _explanations(result):
            console.print(line)
    else:
        console.print(_logged(result))
    for line in _remarks(result):
        console.print(line)


def _title(result: Reconciliation) -> Text:
    from rich.text import Text

    start = result.start
    state = "crashed or refused to start" if start.failures else "started" if start.ready else "start-up"
    if result.stage:
        state = f"failed while {WORDS[result.stage]}"
    style = "bold red" if start.failures else "bold"
    text = Text(f"{state}: ", style=style)
    what = result.model or start.model or "a model the log does not name"
    where = f" on {result.gpu or start.gpu}" if result.gpu or start.gpu else ""
    version = result.vllm_version or start.version
    text.append(f"{what}{where}{f', vLLM {version}' if version else ''}", style="not bold default")
    return text


def _findings(result: Reconciliation) -> list[Text]:
    from rich.text import Text

    lines = []
    for finding in result.findings:
        line = Text(f"✗ {finding.message}.", style="red")
        if finding.fix and (not result.changes or finding.name in _NO_SETTING):
            line.append("  Change: ", style="bold").append(finding.fix, style="not bold default")
        lines.append(line)
    return lines


def _ways_out(result: Reconciliation) -> list[Text]:
    """The changes with which the same question is answered "starts and fits", each a line with what it costs."""
    from rich.text import Text

    if not result.changes:
        return [Text(result.no_change)] if result.no_change else []
    lines = [Text("Starts and fits with one of these", style="bold")]
    for change in result.changes:
        lines.append(Text(f"  {change.words}").append(f"   costs {change.gives_up}", style="dim"))
    return [*lines, Text("")]


def _table(result: Reconciliation) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("per GPU")
    for name in ("logged", "predicted", "low … high", "difference"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in result.components:
        spread = (
            f"{_amount(one, one.low)}\N{NO-BREAK SPACE}…\N{NO-BREAK SPACE}{_amount(one, one.high)}"
            if one.unit == "bytes"
            else ""
        )
        mark = "within" if one.inside else "[yellow]outside[/yellow]"
        name = _NAMES.get(one.name, one.name)
        logged, predicted = _amount(one, one.logged), _amount(one, one.predicted)
        table.add_row(name, logged, predicted, spread, _amount(one, one.difference, signed=True), mark)
    return table


def _amount(one: Component, value: float, *, signed: bool = False) -> str:
    sign = "+" if signed and value > 0 else ""
    if one.unit == "bytes":
        return f"{sign}{value / GIB:.2f}"
    return f"{sign}{value:,.0f}" if one.unit == "count" else f"{sign}{value:.2f}"


def _explanations(result: Reconciliation) -> list[Text]:
    from rich.text import Text

    lines = [Text("GiB where nothing else is said.", style="dim")]
    for one in result.components:
        if one.explanation and one.name != "other":
            lines.append(Text(f"  {_NAMES.get(one.name, one.name)}: {one.explanation}"))
    return lines


def _logged(result: Reconciliation) -> Text:
    """The log's own numbers, where there is nothing to compare them with."""
    from rich.text import Text

    text = Text()
    for name, label in _READINGS.items():
        value = result.start.largest(name)
        if value is not None:
            text.append(f"  {label}: {format_gib(value)}\n")
    tokens = result.start.smallest("kv_tokens")
    if tokens is not None:
        text.append(f"  KV cache: {tokens:,.0f} tokens\n")
    reason = f"Not compared: {result.problem}" if result.problem else "The log ends before vLLM measured anything."
    text.append(reason, style="yellow")
    return text


def _remarks(result: Reconciliation) -> list[Text]:
    from rich.text import Text

    lines = [Text(f"! {note}", style="yellow") for note in result.notes]
    report = ", ".join(_reported(result))
    if report:
        lines.append(Text(f"Beside the log: {report}.", style="dim"))
    if result.saved:
        lines.append(Text(f"Saved to {result.saved}; use it with --profile."))
    elif result.profile:
        lines.append(Text(f"Overhead profile {result.profile}.", style="dim"))
    return lines


def _reported(result: Reconciliation) -> Iterator[str]:
    """What the text says beside the log."""
    machine, told = result.told.surroundings, result.told
    if told.command is not None:
        yield f"the command in line {told.line:,} ({told.kind})"
    if machine.vllm_version:
        yield f"vLLM {machine.vllm_version}"
    names = [gpu.name for gpu in machine.gpus]
    for name in dict.fromkeys(names):
        yield f"{names.count(name)} × {name}" if names.count(name) > 1 else name
    if machine.driver:
        yield f"driver {machine.driver}"
