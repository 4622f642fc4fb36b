"""A log against the estimate, as a person reads it: what went wrong, then the table, then why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.report import open_console
from vram.units import GIB, format_gib
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
    for line in _findings(result):
        console.print(line)
    if result.components:
        console.print(_table(result))
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
        if finding.fix:
            line.append("  Change: ", style="bold").append(finding.fix, style="not bold default")
        lines.append(line)
    return lines


def _table(result: Reconciliation) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("per GPU")
    for name in ("logged", "predicted", "low … high", "difference"):
        table.add_column(name, justify="right")
    table.add_column("")
    for one in result.components:
        spread = f"{_amount(one, one.low)} … {_amount(one, one.high)}" if one.unit == "bytes" else ""
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
    if result.saved:
        lines.append(Text(f"Saved to {result.saved}; use it with --profile."))
    elif result.profile:
        lines.append(Text(f"Overhead profile {result.profile}.", style="dim"))
    return lines
