"""A Comparison as a person reads it: the answer first, then one line per way that fits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from vram.models.comparison import Comparison, Row
from vram.models.performance import Workload
from vram.models.targets import Targets
from vram.report import open_console, print_table
from vram.units import GIB
from vram_plugins.compare.cells import hour_of, kept, note, number, times, way, weights
from vram_plugins.compare.order import ORDERS, READING, fewest, folded, ordered_first
from vram_plugins.compare.words import OBSTACLES, kept_words, shared_speed_of, speed_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

_WIDEST_GRID = 8
_FOOTNOTE = "* vLLM cannot make it while loading; sized as its quantizer usually writes it: look for such a checkpoint."


def print_comparison(
    found: Comparison,
    *,
    every: bool = False,
    limit: int = 20,
    unfold: bool = False,
    accept_borderline: bool = False,
    console: Console | None = None,
) -> None:
    """Write the answer to the terminal, at most `limit` lines of the table (0: all).

    `unfold` shows every edition of a card, `every` all numbers of GPUs that fit and not the fewest.
    """
    console = console or open_console()
    models = tuple(dict.fromkeys(row.model for row in found.rows))
    for line in _headline(found, models, accept_borderline=accept_borderline):
        console.print(line, markup=False)
    console.print()
    gpus = tuple(dict.fromkeys(row.gpu for row in sorted(found.rows, key=lambda row: row.gpu_memory_bytes)))
    shown = [row for row in found.rows if row.fits]
    if len(models) > 1 and len(gpus) <= _WIDEST_GRID:
        print_table(console, _grid(found, models[: limit or None], gpus))
        _print_left_out(console, len(models) - (limit or len(models)), "models")
    else:
        rows = shown if every else fewest(found.rows)
        shown = _print_rows(console, rows, limit=limit, unfold=unfold, several=len(models) > 1)
    for line in (*_footnotes(found, shown), *_nowhere(found), *found.assumed):
        console.print(line, style="dim", markup=False)
    for skipped in found.skipped:
        console.print(f"! {skipped.model} is left out: {skipped.problem}", style="yellow", markup=False)


def _print_rows(console: Console, rows: list[Row], *, limit: int, unfold: bool, several: bool) -> list[Row]:
    """The table; editions of one card as one line and, where there are prices, what has one. Gives the rows that are in it."""
    priced = [row for row in rows if row.price_per_hour is not None]
    shown = rows if unfold or not priced else priced
    lines = [(row, ()) for row in shown] if unfold else folded(shown)
    if lines:
        print_table(console, _table(lines[: limit or None], several=several))
    _print_left_out(console, len(lines) - (limit or len(lines)), "lines")
    if hidden := sum(len(others) for _, others in lines):
        text = f"+n: as many further editions of the card, {hidden} in all, do the same; --all shows each."
        console.print(text, style="dim", markup=False)
    if len(shown) < len(rows):
        text = f"{len(rows) - len(shown)} ways that fit have no price and are left out; --all shows them."
        console.print(text, style="dim", markup=False)
    return [row for row, _ in lines[: limit or None]]


def _headline(found: Comparison, models: tuple[str, ...], *, accept_borderline: bool) -> Iterable[str]:
    good = [
        row for row in fewest(found.rows) if (accept_borderline or row.certainty == "likely") and row.meets is not False
    ]
    if not found.rows:
        yield "✗ nothing that was compared keeps the targets"
        return
    if len(models) == 1:
        yield from _answers(found.rows, good, found.workload, found.targets)
        return
    fitting = len({row.model for row in good})
    yield f"{fitting} of {len(models)} models fit somewhere; GPUs needed of each kind:"
    cheapest = min((row for row in good if row.price_per_hour is not None), key=ORDERS["price"], default=None)
    if cheapest:
        yield f"Cheapest of all: {cheapest.model} on {way(cheapest)}"


def _answers(rows: Sequence[Row], good: list[Row], load: Workload | None, targets: Targets | None) -> Iterable[str]:
    """What is least, cheapest, best value and fastest, of what is neither rare nor slow where there is such."""
    first, borderline = rows[0], any(row.fits for row in rows)
    work = f"{first.concurrency} × {first.max_model_len:,} tokens"
    if targets is not None and load is not None:
        work = f"{kept_words(targets, load)}, {load.prompt_tokens:,} + {load.gen_tokens:,} tokens"
        if not good and any(row.fits for row in rows):
            yield f"✗ {first.model}, {work}: nothing that was compared keeps the targets"
            return
    if not good:
        sure = "surely fits on none of what was compared" if borderline else "fits on none of what was compared"
        yield f"✗ {first.model}, {work}: {sure}"
        return
    usual = [row for row in good if not (row.rare or row.slow)] or good
    priced = [row for row in usual if row.price_per_hour is not None]
    if not priced:
        yield f"Least hardware for {first.model}, {work}: {way(ordered_first(usual, 'best'))}"
    else:
        yield f"Cheapest for {first.model}, {work}: {way(ordered_first(priced, 'price'))}"
        if any(row.tokens_per_price for row in priced):
            best = ordered_first(priced, "value")
            money = best.currency or "the price"
            yield f"Most tokens for money: {way(best)} ({best.price_per_million_tokens:,.2f} {money} per million)"
    if any(row.output_tokens_per_s for row in priced or usual):
        fastest = ordered_first(priced or usual, "speed")
        yield f"Fastest: {way(fastest)} ({fastest.output_tokens_per_s:,.0f} tokens per second)"


def _table(lines: Sequence[tuple[Row, tuple[Row, ...]]], *, several: bool) -> Table:
    """One line per row; columns in which all rows agree on the usual are left out."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    rows = [row for row, _ in lines]
    more = {id(row): f" +{len(others)}" if others else "" for row, others in lines}
    left: list[tuple[str, Callable[[Row], str]]] = [("model", lambda row: row.model)] if several else []
    left.append(("GPUs", lambda row: f"{times(row)}{row.gpus} × {row.gpu}{more[id(row)]}"))
    if any(row.instance_type for row in rows):
        left.append(("rented as", lambda row: row.instance_type or ""))
    if any(row.pipeline_parallel_size > 1 for row in rows):
        left.append(("tp×pp", lambda row: f"{row.tensor_parallel_size}×{row.pipeline_parallel_size}"))
    if len({weights(row) for row in rows}) > 1:
        left.append(("weights as", weights))
    if any(row.kv_cache_dtype != "auto" for row in rows):
        left.append(("KV cache", lambda row: row.kv_cache_dtype))
    right = _figures(rows)
    for name, _ in left:
        table.add_column(name, overflow="fold")
    for name, _ in right:
        table.add_column(name, justify="right", no_wrap=True)
    noted = any(note(row) for row in rows)
    if noted:
        table.add_column("")
    for row in rows:
        table.add_row(*(cell(row) for _, cell in (*left, *right)), *([note(row)] if noted else []))
    return table


def _figures(rows: Sequence[Row]) -> list[tuple[str, Callable[[Row], str]]]:
    """The columns of numbers: money first where there are prices, else memory; speed where it is known."""
    priced, timed = any(row.price_per_hour is not None for row in rows), any(row.output_tokens_per_s for row in rows)
    money = next((row.currency for row in rows if row.currency), None)
    found: list[tuple[str, Callable[[Row], str]]] = []
    if priced:
        found.append((f"{money}/h" if money else "price/h", lambda row: number(hour_of(row), 2)))
    if timed:
        found.append(("tok/s", lambda row: number(row.output_tokens_per_s, 0)))
    if priced and timed:
        found.append((f"{money or 'price'}/Mtok", lambda row: number(row.price_per_million_tokens, 2)))
    if timed:
        found.append(("1st tok", lambda row: "" if row.ttft_ms is None else f"{row.ttft_ms / 1e3:.2f} s"))
    if any(row.meets is not None for row in rows):
        found.append(("targets", kept))
    found.append(("users", lambda row: f"{row.users_within_targets or row.most_requests:,}"))
    if not priced:
        found.append(("GiB", lambda row: f"{row.total_memory_bytes * (row.replicas or 1) / GIB:.0f}"))
    found.append(("free/GPU", lambda row: f"{row.headroom_bytes / GIB:.1f}"))
    return found


def _footnotes(found: Comparison, fitting: list[Row]) -> Iterable[str]:
    """What the marks of the rows that are shown mean."""
    if found.workload and any(row.output_tokens_per_s for row in fitting):
        if found.targets is None:
            yield f"{speed_of(found.workload)}; users: requests of the whole length that fit at once."
        else:
            yield f"{shared_speed_of(found.workload)}; users: at once, while all replicas keep the targets."
    if any(row.certainty != "likely" for row in fitting):
        yield "? too close to be sure that it starts."
    if any(row.slow for row in fitting):
        yield f"slow: fewer than {READING:.0f} tokens a second each, which is slower than people read."
    if any(row.hypothetical for row in fitting):
        yield _FOOTNOTE


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
    changes = [weights(row)] if row.online or row.hypothetical else []
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
        told = ", ".join(f"{OBSTACLES.get(name, name)} ({count:,})" for name, count in most[:4])
        yield f"{total:,} of {len(found.rows):,} combinations do not fit: {told}."


def _print_left_out(console: Console, count: int, what: str) -> None:
    if count > 0:
        console.print(f"… and {count:,} more {what}; --limit 0 shows all, --json and --csv every cell.", style="dim")
