"""Rows of a comparison as a table to sort, whose rows are answers; editions of one card are folded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from vram.errors import InputError, UnknownNameError
from vram.models.comparison import Comparison, Row
from vram.models.record import frozen
from vram.report import Markup, tag
from vram.units import GIB, counted
from vram_plugins.compare.order import folded
from vram_plugins.web.keys import link


@frozen(kw_only=True)
class Column:
    """A column: its head, its cell, and how rows are ordered by it; `rising` is the order that is asked for first."""

    name: str
    head: str
    cell: Callable[[Row], str]
    key: Callable[[Row], Any]
    rising: bool = True
    numeric: bool = True


def way_of(row: Row) -> str:
    """The hardware of a row: "3 servers of 4 × H100" where there are several."""
    one = f"{row.gpus} × {row.gpu}"
    return f"{row.replicas} servers of {one}" if (row.replicas or 1) > 1 else one


def hour_of(row: Row) -> float | None:
    """What all of it costs an hour."""
    return row.price_per_hour if row.total_price_per_hour is None else row.total_price_per_hour


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _last(value: float | None, *, rising: bool = True) -> tuple[bool, float]:
    """What is not known comes last, whichever way it is sorted first."""
    return (value is None) is rising, value or 0.0


_COLUMNS = (
    Column(name="gpu", head="GPU", cell=way_of, key=lambda row: row.gpu.lower(), numeric=False),
    Column(name="price", head="per hour", cell=lambda row: _number(hour_of(row), 2), key=lambda row: _last(hour_of(row))),
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
    Column(name="within", head="users within targets", cell=lambda row: _number(row.users_within_targets),
           key=lambda row: _last(row.users_within_targets, rising=False), rising=False),
    Column(name="memory", head="GiB in all", cell=lambda row: f"{row.total_memory_bytes * (row.replicas or 1) / GIB:,.0f}",
           key=lambda row: row.total_memory_bytes * (row.replicas or 1)),
)  # fmt: skip
_PRICED = frozenset({"price", "token_price"})


def table_markup(state: Mapping[str, str], rows: list[Row], found: Comparison) -> Markup:
    """The table in the order that the state asks for. Raises UnknownNameError, InputError for an order that there is not."""
    priced = any(row.price_per_hour is not None for row in found.rows)
    columns = [column for column in _COLUMNS if priced or column.name not in _PRICED]
    columns = [column for column in columns if found.targets or column.name != "within"]
    by, falling = _order(state, columns, priced=priced)
    lines = folded(rows if by is None else sorted(rows, key=by.key, reverse=falling))
    if not lines:
        return tag("p", "No GPU that runs it has such a name." if state.get("filter") else "", class_="about")
    money = next((row.currency for row in found.rows if row.currency), "")
    head = tag("tr", *(_head(state, column, by, falling=falling, money=money) for column in columns))
    body = [_line(state, columns, row, others) for row, others in lines]
    caption = tag("caption", f"{counted(len(lines), 'way')}; a GPU's name makes it the answer", class_="hidden")
    table = tag("table", caption, tag("thead", head), tag("tbody", *body))
    return tag(
        "div", table, class_="scroll", tabindex="0", role="region", aria_label="GPUs that run it", id="gpu-table"
    )


def _order(state: Mapping[str, str], columns: list[Column], *, priced: bool) -> tuple[Column | None, bool]:
    """The column that rows are sorted by, and whether from the largest; none is the comparison's own."""
    wanted = state.get("sort", "price" if priced else "")
    if not wanted:
        return None, False
    name = wanted.removeprefix("-")
    by = next((column for column in columns if column.name == name), None)
    if by is None:
        if name in {column.name for column in _COLUMNS}:
            lacks = "prices" if name in _PRICED else "targets"
            raise InputError(name="sort", value=name, problem=f"needs {lacks}, and none are given")
        raise UnknownNameError(kind="order", name=name, known=tuple(column.name for column in columns))
    return by, wanted.startswith("-")


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
    cells = []
    for column in columns:
        if column.name != "gpu":
            cells.append(tag("td", column.cell(row), class_="number"))
            continue
        more: Markup | str = ""
        if others:
            links = (tag("li", _answer_link(state, one)) for one in others)
            more = tag("details", tag("summary", counted(len(others), "further edition")), tag("ul", *links))
        notes = " ".join(word for word, on in (("rare", row.rare), ("slow", row.slow)) if on)
        cells.append(tag("th", _answer_link(state, row), tag("small", f" {notes}") if notes else "", more, scope="row"))
    return tag("tr", *cells)


def _answer_link(state: Mapping[str, str], row: Row) -> Markup:
    """The row as a question; of several servers one with its share of the users."""
    sizes = {
        "tensor_parallel_size": str(row.tensor_parallel_size),
        "pipeline_parallel_size": str(row.pipeline_parallel_size),
    }
    fields = {"view": "", "gpu": row.gpu, "gpu_memory_gib": "", "profile": "", "gpus": "", **sizes}
    if (row.replicas or 1) > 1:
        fields["concurrency"] = str(row.concurrency)
    name = f"row-{row.gpus}-{row.gpu}".replace(" ", "-")
    return tag("a", way_of(row), href=link(state, fields), class_="row", id=name)
