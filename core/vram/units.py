"""Bytes in and out of text; the only place that knows 1024."""

from __future__ import annotations

MIB = 2**20
GIB = 2**30


def gib(value: float) -> int:
    """Bytes of `value` GiB."""
    return int(value * GIB)


def counted(number: int, noun: str) -> str:
    """ "1 request", "2,000 requests"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def format_gib(value: int | float, digits: int = 2) -> str:
    """ "12.34 GiB"."""
    return f"{value / GIB:.{digits}f} GiB"
