"""A Comparison as a person reads it: the answer first, then one line per way that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from vram.models.comparison import Comparison, Row
from vram.report import open_console
from vram.units import GIB

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDEST_GRID = 8
_MARK = "*"
_FOOTNOTE = "* vLLM cannot make it while loading; sized as its quantizer usually writes it: look for such a checkpoint."
_OBSTACLES = {
    "weights": "the weights are too large",
    "cache_blocks": "no room for a KV cache",
    "kv_cache_length": "no room for one request",
    "policy": "not enough for all requests",
    "format": "the GPU lacks the format",
    "parallelism": "cannot be divided so",
    "quantization": "cannot be stored so",
    "max_model_len": "longer than the model's maximum",
    "mamba_blocks": "too few blocks for recurrent states",
}


def print_comparison(found: Comparison, *, limit: int = 20, console: Console | None = None) -> None:
    """Write the answer to the terminal, at most `limit` lines of the table (0: all)."""
    console = console or open_console()
    models = tuple(dict.fromkeys(row.model for row in found.rows))
    for line in _headline(found, models):
        console.print(line, markup=False)
    console.print()
    gpus = tuple(dict.fromkeys(row.gpu for row in sorted(found.rows, key=lambda row: row.gpu_memory_bytes)))
    if len(models) > 1 and len(gpus) <= _WIDEST_GRID:
        console.print(_grid(found, models[: limit or None], gpus))
        _print_left_out(console, len(models) - (limit or len(models)), "models")
    else:
        rows = list(_least(found.rows))
        if rows:
            console.print(_table(rows[: limit or None], several=len(models) > 1))
        _print_left_out(console, len(rows) - (limit or len(rows)), "lines")
    if any(row.hypothetical and row.fits for row in found.rows):
        console.print(_FOOTNOTE, style="dim", markup=False)
    for line in _nowhere(found):
        console.print(line, style="dim", markup=False)
    for skipped in found.skipped:
        console.print(f"! {skipped.model} is left out: {skipped.problem}", style="yellow", markup=False)


def _headline(found: Comparison, models: tuple[str, ...]) -> Iterable[str]:
    if len(models) == 1:
        row = found.rows[0]
        work = f"{row.concurrency} × {row.max_model_len:,} tokens"
        for name, best in (("Least hardware", found.smallest), ("Cheapest", found.cheapest)):
            if best:
                yield f"{name} for {models[0]}, {work}: {_way(best[0])}"
        if not found.smallest:
            yield f"✗ {models[0]}, {work}: fits on none of what was compared"
        return
    fitting = len(found.smallest)
    yield f"{fitting} of {len(models)} models fit somewhere; GPUs needed of each kind:"
    if found.cheapest:
        cheapest = min(found.cheapest, key=lambda row: row.price_per_hour or 0.0)
        yield f"Cheapest of all: {cheapest.model} on {_way(cheapest)}"


def _way(row: Row) -> str:
    price = f", {row.price_per_hour:,.2f} per hour" if row.price_per_hour is not None else ""
    stored = [f"weights as {_weights(row)}"] if row.online or row.hypothetical else []
    stored += [f"an {row.kv_cache_dtype} KV cache"] if row.kv_cache_dtype != "auto" else []
    return f"{row.gpus} × {row.gpu}{' with ' if stored else ''}{' and '.join(stored)}{price}"


def _least(rows: Iterable[Row]) -> Iterable[Row]:
    """Of each model, GPU and way to store it, the fewest GPUs that fit; in the order of the rows."""
    fewest: dict[tuple[object, ...], Row] = {}
    for row in rows:
        key = (row.model, row.gpu, row.quantization, row.hypothetical, row.kv_cache_dtype)
        if row.fits and (key not in fewest or row.gpus < fewest[key].gpus):
            fewest[key] = row
    chosen = {id(row) for row in fewest.values()}
    return (row for row in rows if id(row) in chosen)


def _table(rows: list[Row], *, several: bool) -> Table:
    """One line per row; columns in which all rows agree on the usual are left out."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    left: list[tuple[str, Callable[[Row], str]]] = [("model", lambda row: row.model)] if several else []
    left.append(("GPUs", lambda row: f"{row.gpus} × {row.gpu}"))
    if any(row.pipeline_parallel_size > 1 for row in rows):
        left.append(("tp × pp", lambda row: f"{row.tensor_parallel_size} × {row.pipeline_parallel_size}"))
    if len({_weights(row) for row in rows}) > 1:
        left.append(("weights as", _weights))
    if any(row.kv_cache_dtype != "auto" for row in rows):
        left.append(("KV cache", lambda row: row.kv_cache_dtype))
    right: list[tuple[str, Callable[[Row], str]]] = [
        ("GiB in all", lambda row: f"{row.total_memory_bytes / GIB:.0f}"),
        ("weights/GPU", lambda row: f"{row.weights_bytes / GIB:.1f}"),
        ("free/GPU", lambda row: f"{row.headroom_bytes / GIB:.1f}"),
        ("requests", lambda row: f"{row.most_requests:,}"),
    ]
    if any(row.price_per_hour is not None for row in rows):
        right.append(("price/h", lambda row: "" if row.price_per_hour is None else f"{row.price_per_hour:,.2f}"))
    for name, _ in left:
        table.add_column(name, overflow="fold", no_wrap=name == "GPUs")
    for name, _ in right:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(*(cell(row) for _, cell in (*left, *right)))
    return table


def _weights(row: Row) -> str:
    return f"{row.quantization}{_MARK}" if row.hypothetical else str(row.quantization) if row.online else "as is"


def _grid(found: Comparison, models: tuple[str, ...], gpus: tuple[str, ...]) -> Table:
    """Models down, GPUs across: how many of each are needed."""
    from rich.table import Table

    fewest: dict[tuple[str, str], Row] = {}
    for row in found.rows:
        key = (row.model, row.gpu)
        if row.fits and (key not in fewest or row.gpus < fewest[key].gpus):
            fewest[key] = row
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model", overflow="fold")
    for gpu in gpus:
        table.add_column(gpu, justify="right")
    for model in models:
        table.add_row(model, *(_needed(fewest.get((model, gpu))) for gpu in gpus))
    return table


def _needed(row: Row | None) -> str:
    if row is None:
        return "–"
    changes = ", ".join(_changes(row))
    return f"{row.gpus} ({changes})" if changes else str(row.gpus)


def _changes(row: Row) -> list[str]:
    """How the row differs from the model as it is."""
    changes = [_weights(row)] if row.online or row.hypothetical else []
    return [*changes, f"{row.kv_cache_dtype} KV"] if row.kv_cache_dtype != "auto" else changes


def _nowhere(found: Comparison) -> Iterable[str]:
    """How many cells do not fit, and why most of them do not."""
    reasons: dict[str, int] = {}
    for row in found.rows:
        if not row.fits:
            reasons[row.obstacle] = reasons.get(row.obstacle, 0) + 1
    if reasons:
        total = sum(reasons.values())
        most = sorted(reasons.items(), key=lambda pair: -pair[1])
        told = ", ".join(f"{_OBSTACLES.get(name, name)} ({count:,})" for name, count in most[:4])
        yield f"{total:,} of {len(found.rows):,} combinations do not fit: {told}."


def _print_left_out(console: Console, count: int, what: str) -> None:
    if count > 0:
        console.print(f"… and {count:,} more {what}; --limit 0 shows all, --json and --csv every cell.", style="dim")
