"""Which GPU: every kind that runs the question, as a table to sort and filter, whose rows are answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import vram
from vram.checkpoint import find
from vram.errors import InputError, UnknownNameError
from vram.models.comparison import Comparison, Row
from vram.models.record import frozen
from vram.report import Markup, join, tag
from vram.units import GIB, counted
from vram_plugins.compare.order import fewest, folded
from vram_plugins.web.keys import link
from vram_plugins.web.prices import listed
from vram_plugins.web.state import arguments_of, model_of, request_of

_HARDWARE = frozenset({"gpu", "gpu_memory_gib", "gpus", "profile", "tensor_parallel_size", "pipeline_parallel_size"})
_OF_THE_TABLE = frozenset({"view", "sort", "filter", "ask", *_HARDWARE})
_KEPT = 16  # comparisons: sorting and filtering ask nothing again


@frozen(kw_only=True)
class Column:
    """A column: its head, its cell, and how rows are ordered by it; `rising` is the order that is asked for first."""

    name: str
    head: str
    cell: Callable[[Row], str]
    key: Callable[[Row], Any]
    rising: bool = True
    numeric: bool = True


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _last(value: float | None, *, rising: bool = True) -> tuple[bool, float]:
    """What is not known comes last, whichever way it is sorted."""
    return (value is None) is rising, value or 0.0


_COLUMNS = (
    Column(name="gpu", head="GPU", cell=lambda row: f"{row.gpus} × {row.gpu}", key=lambda row: row.gpu.lower(), numeric=False),
    Column(name="price", head="per hour", cell=lambda row: _number(row.price_per_hour, 2),
           key=lambda row: _last(row.price_per_hour)),
    Column(name="token_price", head="per million tokens", cell=lambda row: _number(row.price_per_million_tokens, 2),
           key=lambda row: _last(row.price_per_million_tokens)),
    Column(name="speed", head="tokens/s", cell=lambda row: _number(row.output_tokens_per_s),
           key=lambda row: _last(row.output_tokens_per_s, rising=False), rising=False),
    Column(name="each", head="tokens/s each", cell=lambda row: _number(row.output_tokens_per_s_per_user, 1),
           key=lambda row: _last(row.output_tokens_per_s_per_user, rising=False), rising=False),
    Column(name="first", head="first token", cell=lambda row: "" if row.ttft_ms is None else f"{row.ttft_ms / 1e3:.2f} s",
           key=lambda row: _last(row.ttft_ms)),
    Column(name="users", head="users it holds", cell=lambda row: f"{row.most_requests:,}",
           key=lambda row: row.most_requests, rising=False),
    Column(name="memory", head="GiB in all", cell=lambda row: f"{row.total_memory_bytes / GIB:,.0f}",
           key=lambda row: row.total_memory_bytes),
)  # fmt: skip
_PRICED = frozenset({"price", "token_price"})


def gpus_markup(state: Mapping[str, str], *, local_paths: bool = True) -> Markup:
    """The heading with the question, the best first row in words, and the table. Raises VramError."""
    found = compared(state, local_paths=local_paths)
    first = found.rows[0]
    heading = f"What runs {first.model} for {counted(first.concurrency, 'user')} of {first.max_model_len:,} tokens"
    rows = [row for row in fewest(found.rows) if row.certainty == "likely"]
    wanted = state.get("filter", "").lower()
    shown = [row for row in rows if wanted in f"{row.gpus} × {row.gpu}".lower()]
    return join(
        (tag("h2", heading), tag("p", _summary(rows), class_="about"), _table(state, shown, found), _notes(found))
    )


def compared(state: Mapping[str, str], *, local_paths: bool = True) -> Comparison:
    """The state's model and work on every known GPU, 1, 2, 4 and 8 of each; with the prices pasted, if any. Raises VramError."""
    _ = vram.compare  # a plugin's, which may be turned off since it was last asked
    model = model_of(request_of(state, local_paths=local_paths), local_paths=local_paths)
    asked = {name: value for name, value in state.items() if name not in _OF_THE_TABLE}
    if isinstance(model, str) and find(model):  # its facts do not change under the server
        return _kept(tuple(sorted(asked.items())), local_paths)
    return _compared(asked, local_paths=local_paths)


@lru_cache(maxsize=_KEPT)
def _kept(asked: tuple[tuple[str, str], ...], local_paths: bool) -> Comparison:
    return _compared(dict(asked), local_paths=local_paths)


def _compared(state: Mapping[str, str], *, local_paths: bool) -> Comparison:
    request = request_of(state, local_paths=local_paths)
    arguments = {name: value for name, value in arguments_of(request).items() if name not in _HARDWARE}
    return vram.compare(
        model_of(request, local_paths=local_paths),
        quantizations=(arguments.pop("quantization", None) or "none",),
        kv_cache_dtypes=(arguments.pop("kv_cache_dtype", None) or "auto",),
        kinds=(state["kind"],) if state.get("kind") else None,
        prices=listed(state.get("prices", "")),
        prompt_tokens=request.prompt_tokens,
        gen_tokens=request.gen_tokens,
        **arguments,
    )


def _summary(rows: list[Row]) -> str:
    """The answer in a sentence."""
    if not rows:
        return "Nothing that was tried surely does: up to 8 of each GPU. A shorter context, fewer users or a quantized checkpoint may."
    usual = [row for row in rows if not (row.rare or row.slow)] or rows
    priced = [row for row in usual if row.price_per_hour is not None]
    if priced:
        best = min(priced, key=lambda row: row.price_per_hour or 0.0)
        money = f" {best.currency}" if best.currency else ""
        return f"Cheapest: {best.gpus} × {best.gpu}, {best.price_per_hour:,.2f}{money} per hour."
    best = usual[0]
    return f"Least hardware: {best.gpus} × {best.gpu}. Paste prices to see what is cheapest; none is invented here."


def _table(state: Mapping[str, str], rows: list[Row], found: Comparison) -> Markup:
    priced = any(row.price_per_hour is not None for row in found.rows)
    columns = [column for column in _COLUMNS if priced or column.name not in _PRICED]
    by, falling = _order(state, columns, priced=priced)
    lines = folded(_sorted(rows, by, falling=falling))
    money = next((row.currency for row in found.rows if row.currency), "")
    head = tag("tr", *(_head(state, column, by, falling=falling, money=money) for column in columns))
    body = [_line(state, columns, row, others) for row, others in lines]
    if not body:
        return tag("p", "No GPU that runs it has such a name." if state.get("filter") else "", class_="about")
    table = tag("table", tag("caption", f"{counted(len(lines), 'way')}; a GPU's name makes it the answer", class_="hidden"),
                tag("thead", head), tag("tbody", *body))  # fmt: skip
    return tag(
        "div", table, class_="scroll", tabindex="0", role="region", aria_label="GPUs that run it", id="gpu-table"
    )


def _order(state: Mapping[str, str], columns: list[Column], *, priced: bool) -> tuple[Column | None, bool]:
    """The column that rows are sorted by, and whether from the largest; none is the comparison's own. Raises UnknownNameError."""
    wanted = state.get("sort", "price" if priced else "")
    if not wanted:
        return None, False
    name = wanted.removeprefix("-")
    by = next((column for column in columns if column.name == name), None)
    if by is None:
        if name in {column.name for column in _COLUMNS}:
            raise InputError(name="sort", value=name, problem="needs prices, and none are given")
        raise UnknownNameError(kind="order", name=name, known=tuple(column.name for column in columns))
    return by, wanted.startswith("-")


def _sorted(rows: list[Row], by: Column | None, *, falling: bool) -> list[Row]:
    return rows if by is None else sorted(rows, key=by.key, reverse=falling)


def _head(state: Mapping[str, str], column: Column, by: Column | None, *, falling: bool, money: str) -> Markup:
    """A head is a link that sorts, first the way that is asked for first."""
    sorted_ = by is not None and by.name == column.name
    falls = not falling if sorted_ else not column.rising
    words = f"{money} {column.head}".strip() if column.name in _PRICED else column.head
    mark = tag("span", " ▼" if falling else " ▲", aria_hidden="true") if sorted_ else ""
    target = link(state, {"sort": f"-{column.name}" if falls else column.name})
    order = ("descending" if falling else "ascending") if sorted_ else None
    named = tag("a", words, mark, href=target, id=f"sort-{column.name}")
    return tag("th", named, scope="col", aria_sort=order, class_="number" if column.numeric else None)


def _line(state: Mapping[str, str], columns: list[Column], row: Row, others: tuple[Row, ...]) -> Markup:
    cells: list[Markup] = []
    for column in columns:
        if column.name != "gpu":
            cells.append(tag("td", column.cell(row), class_="number"))
            continue
        more: Markup | str = ""
        if others:
            links = (tag("li", _answer_link(state, one)) for one in others)
            summary = f"{counted(len(others), 'further edition')}"
            more = tag("details", tag("summary", summary), tag("ul", *links))
        notes = " ".join(word for word, on in (("rare", row.rare), ("slow", row.slow)) if on)
        cells.append(tag("th", _answer_link(state, row), tag("small", f" {notes}") if notes else "", more, scope="row"))
    return tag("tr", *cells)


def _answer_link(state: Mapping[str, str], row: Row) -> Markup:
    sizes = {
        "tensor_parallel_size": str(row.tensor_parallel_size),
        "pipeline_parallel_size": str(row.pipeline_parallel_size),
    }
    fields = {"view": "", "gpu": row.gpu, "gpu_memory_gib": "", "profile": "", "gpus": "", **sizes}
    name = f"row-{row.gpus}-{row.gpu}".replace(" ", "-")
    return tag("a", f"{row.gpus} × {row.gpu}", href=link(state, fields), class_="row", id=name)


def _notes(found: Comparison) -> Markup:
    load = found.workload
    if load is None or not any(row.output_tokens_per_s for row in found.rows):
        return Markup()
    tokens = f"{load.prompt_tokens:,} tokens in and {load.gen_tokens:,} out each"
    words = f"Speed is an estimate for {counted(load.concurrency, 'user')} at once, {tokens}."
    return tag("p", words, " Of each kind the fewest GPUs that fit are shown.", class_="about")
