"""Rows in the order in which a person would look at them, and variants of one card as one line."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from math import inf, log

from vram.errors import UnknownNameError
from vram.models.comparison import Row

#: sizes of memory within this factor are one class: of it the fewest GPUs, then the fastest, come first
_CLASS = 1.15
#: a person reads as fast as this; an answer that comes slower keeps its reader waiting. Assumed
READING = 10.0
#: words that tell apart editions of one card: its socket, cooling or market
_EDITIONS = frozenset(
    {"sxm", "sxm2", "sxm3", "sxm4", "sxm5", "pcie", "nvl", "d", "sff", "max-q", "server", "workstation", "edition"}
)
_SIZE = re.compile(r"\d+gb", re.IGNORECASE)


def _changes(row: Row) -> int:
    """How much the model is changed."""
    return row.online + 2 * row.hypothetical + (row.kv_cache_dtype != "auto")


def _least(row: Row) -> tuple[float, ...]:
    """Least hardware: a class of memory, then fewest GPUs, then the least changed model, then speed."""
    replicas = row.replicas or 1
    size = float(round(log(max(1, row.total_memory_bytes * replicas), _CLASS)))
    return (
        size,
        row.gpus * replicas,
        _changes(row),
        -(row.output_tokens_per_s or 0.0),
        row.total_memory_bytes,
        -row.most_requests,
    )


def _best(row: Row) -> tuple[float, ...]:
    return (row.rare or row.slow, *_price(row))


def _price(row: Row) -> tuple[float, ...]:
    hour = row.total_price_per_hour or row.price_per_hour
    return (inf if hour is None else hour, *_least(row))


def _memory(row: Row) -> tuple[float, ...]:
    return (row.total_memory_bytes, row.gpus, _changes(row), -row.most_requests)


def _speed(row: Row) -> tuple[float, ...]:
    return (-(row.output_tokens_per_s or 0.0), *_price(row))


def _first_token(row: Row) -> tuple[float, ...]:
    return (inf if row.ttft_ms is None else row.ttft_ms, *_price(row))


def _value(row: Row) -> tuple[float, ...]:
    return (-(row.tokens_per_price or 0.0), *_price(row))


ORDERS: dict[str, Callable[[Row], tuple[float, ...]]] = {
    "best": _best,
    "price": _price,
    "value": _value,
    "speed": _speed,
    "first-token": _first_token,
    "memory": _memory,
}


def ordered(rows: Iterable[Row], name: str) -> tuple[Row, ...]:
    """What surely fits and meets the targets, what fits, what may, what starts, the rest; each in the order asked for.

    Raises UnknownNameError.
    """
    order = ORDERS.get(name)
    if order is None:
        raise UnknownNameError(kind="order", name=name, known=tuple(ORDERS))

    def rank(row: Row) -> tuple[float, ...]:
        return (not row.fits, row.certainty != "likely", row.meets is False, not row.starts, *order(row))

    return tuple(sorted(rows, key=rank))


def ordered_first(rows: Iterable[Row], name: str) -> Row:
    """The first of some rows, of which there is one, in an order."""
    return min(rows, key=ORDERS[name])


def fewest(rows: Iterable[Row]) -> list[Row]:
    """Of each model, GPU and way to store it, the fewest GPUs that surely fit, else that may; in the order of the rows.

    Where more of them cost no more (a machine that is rented whole), as many as it has.
    """
    least: dict[tuple[object, ...], Row] = {}
    for row in rows:
        key = (row.model, row.gpu, row.quantization, row.hypothetical, row.kv_cache_dtype)
        if row.fits and (key not in least or _fewer(row) < _fewer(least[key])):
            least[key] = row
    chosen = {id(row) for row in least.values()}
    return [row for row in rows if id(row) in chosen]


def _fewer(row: Row) -> tuple[float, ...]:
    price, gpus = row.total_price_per_hour or row.price_per_hour, row.gpus * (row.replicas or 1)
    sure = (row.certainty != "likely", row.meets is False)
    return (*sure, gpus if price is None else price, row.gpus if price is None else -row.gpus)


def folded(rows: Sequence[Row]) -> list[tuple[Row, tuple[Row, ...]]]:
    """Each row with the rows of further editions of the same card that do the same job on as many GPUs.

    A row with a price stands for itself.
    """
    groups: dict[tuple[object, ...], list[Row]] = {}
    for row in rows:
        alone = row.gpu if row.price_per_hour is not None else ""
        stored = (row.quantization, row.hypothetical, row.kv_cache_dtype)
        key = (row.model, _card(row.gpu), round(log(row.gpu_memory_bytes, 1.05)), row.gpus, stored, alone)
        groups.setdefault(key, []).append(row)
    return [(group[0], tuple(group[1:])) for group in groups.values()]


def _card(name: str) -> str:
    """The name of a card without the words of its edition and its size."""
    words = [word for word in name.casefold().split() if word not in _EDITIONS and not _SIZE.fullmatch(word)]
    return " ".join(words)
