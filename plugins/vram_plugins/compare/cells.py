"""What one row of a comparison says in each column of a table."""

from __future__ import annotations

from vram.models.comparison import Row

MARK = "*"


def way(row: Row) -> str:
    """The GPUs, what is changed of the model, and the price."""
    money = f" {row.currency}" if row.currency else ""
    price = f", {hour:,.2f}{money} per hour" if (hour := hour_of(row)) is not None else ""
    stored = [f"weights as {weights(row)}"] if row.online or row.hypothetical else []
    stored += [f"an {row.kv_cache_dtype} KV cache"] if row.kv_cache_dtype != "auto" else []
    return f"{times(row)}{row.gpus} × {row.gpu}{' with ' if stored else ''}{' and '.join(stored)}{price}"


def times(row: Row) -> str:
    """How many replicas of it keep the targets, before the GPUs of one."""
    return f"{row.replicas} × " if row.replicas and row.replicas > 1 else ""


def hour_of(row: Row) -> float | None:
    """What an hour of all of it costs."""
    return row.price_per_hour if row.total_price_per_hour is None else row.total_price_per_hour


def kept(row: Row) -> str:
    """Whether the targets are, or what is not."""
    if row.meets is None:
        return ""
    return "✓" if row.meets else f"✗ {row.limited_by}"


def number(value: float | None, digits: int) -> str:
    """A figure, empty where there is none."""
    return "" if value is None else f"{value:,.{digits}f}"


def note(row: Row) -> str:
    """The marks of a row."""
    words = ["?"] if row.certainty != "likely" else []
    return " ".join([*words, *(["slow"] if row.slow else []), *(["rare"] if row.rare else [])])


def weights(row: Row) -> str:
    """What the weights are stored in."""
    return f"{row.quantization}{MARK}" if row.hypothetical else str(row.quantization) if row.online else "as is"
