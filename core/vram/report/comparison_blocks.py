"""A Comparison as a report: the least hardware first, a bar per way, then the table."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vram.models.comparison import Comparison, Row
from vram.report.charts import comparison_chart
from vram.report.document import Block, Document, Figure, Heading, Headline, Items, Table
from vram.units import GIB

_MOST_BARS = 24
_MOST_ROWS = 60


def comparison_document(found: Comparison) -> Document:
    """The report of every way that fits, and of the first that do not where none does."""
    models = tuple(dict.fromkeys(row.model for row in found.rows))
    best, cheapest = found.smallest, found.cheapest
    if cheapest:
        hour = f"{_figure(_hour(cheapest[0]), 2)} {cheapest[0].currency or ''}".strip()
        head = Headline(text=f"cheapest: {_way(cheapest[0])}, {hour} per hour", detail=", ".join(models), tone="good")
    elif best:
        head = Headline(text=f"least hardware: {_way(best[0])}", detail=", ".join(models), tone="good")
    else:
        head = Headline(text="fits on none of what was compared", detail=", ".join(models), tone="bad")
    fitting = [row for row in _fewest(found.rows) if row.price_per_hour is not None or not cheapest]
    shown = (fitting or list(found.rows))[:_MOST_ROWS]
    several = len(models) > 1
    bars = [(_label(row, several), _needed(row), row.total_memory_bytes, row.fits) for row in shown[:_MOST_BARS]]
    blocks: list[Block] = [head]
    if bars:
        blocks += [Heading(text="What is taken of each"), Figure(svg=comparison_chart(bars))]
    blocks.append(_table(shown))
    if len(found.rows) > len(shown):
        blocks.append(
            Items(
                items=(
                    f"{len(found.rows) - len(shown):,} further combinations are left out; --json and --csv have all.",
                )
            )
        )
    if found.assumed:
        blocks.append(Items(items=found.assumed))
    if found.skipped:
        blocks.append(Items(items=tuple(f"{one.model}: {one.problem}" for one in found.skipped), tone="warn"))
    return Document(title=f"{', '.join(models)}: {head.text}", blocks=tuple(blocks))


def _way(row: Row) -> str:
    stored = f", weights as {row.quantization}" if row.online or row.hypothetical else ""
    cache = f", {row.kv_cache_dtype} KV cache" if row.kv_cache_dtype != "auto" else ""
    times = f"{row.replicas} × " if row.replicas and row.replicas > 1 else ""
    return f"{times}{row.gpus} × {row.gpu}{stored}{cache}"


def _label(row: Row, several: bool) -> str:
    return f"{row.model.rpartition('/')[2]}: {_way(row)}" if several else _way(row)


def _needed(row: Row) -> int:
    """All that is not free, over all GPUs, of the memory there is."""
    return max(0, row.total_memory_bytes - row.gpus * max(row.headroom_bytes, -row.gpu_memory_bytes))


def _fewest(rows: Iterable[Row]) -> list[Row]:
    """Of each model, GPU and way to store it, the fewest GPUs that fit; in the order of the rows."""
    fewest: dict[tuple[object, ...], Row] = {}
    for row in rows:
        key = (row.model, row.gpu, row.quantization, row.hypothetical, row.kv_cache_dtype)
        if row.fits and (key not in fewest or row.gpus < fewest[key].gpus):
            fewest[key] = row
    return list(fewest.values())


def _table(rows: list[Row]) -> Table:
    columns: list[tuple[str, Callable[[Row], str], bool]] = []
    if len({row.model for row in rows}) > 1:
        columns.append(("model", lambda row: row.model, False))
    columns.append(("hardware", _way, False))
    if any(row.price_per_hour is not None for row in rows):
        money = next((row.currency for row in rows if row.currency), "price")
        columns.append((f"{money}/h", lambda row: _figure(_hour(row), 2), True))
        columns.append((f"{money}/M tok", lambda row: _figure(row.price_per_million_tokens, 2), True))
    if any(row.output_tokens_per_s for row in rows):
        columns.append(("tok/s", lambda row: _figure(row.output_tokens_per_s, 0), True))
        columns.append(("1st, ms", lambda row: _figure(row.ttft_ms, 0), True))
    if any(row.pipeline_parallel_size > 1 for row in rows):
        columns.append(("tp×pp", lambda row: f"{row.tensor_parallel_size}×{row.pipeline_parallel_size}", False))
    columns += [
        ("weights, GiB", lambda row: f"{row.weights_bytes / GIB:.1f}", True),
        ("free, GiB", lambda row: f"{row.headroom_bytes / GIB:.1f}", True),
        ("requests", lambda row: f"{row.most_requests:,}", True),
        ("verdict", _verdict, False),
    ]
    return Table(
        header=tuple(name for name, _, _ in columns),
        rows=tuple(tuple(cell(row) for _, cell, _ in columns) for row in rows),
        numeric=frozenset(index for index, (_, _, numeric) in enumerate(columns) if numeric),
    )


def _hour(row: Row) -> float | None:
    """What an hour costs, of all replicas where there are several."""
    return row.price_per_hour if row.total_price_per_hour is None else row.total_price_per_hour


def _figure(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _verdict(row: Row) -> str:
    if not row.fits:
        return row.obstacle or "does not fit"
    if row.meets is False:
        return f"misses the targets: {row.limited_by}"
    return "fits" if row.certainty == "likely" else "fits, too close to be sure"
