"""A Comparison as CSV: one line per cell, the columns of `Row`."""

from __future__ import annotations

import csv
import io

from attrs import asdict, fields

from vram.models.comparison import Comparison, Row

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def comparison_csv(found: Comparison) -> str:
    """Every row, best first, with a header. Text that a spreadsheet would take for a formula is quoted with '."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(Row)], lineterminator="\n")
    writer.writeheader()
    for row in found.rows:
        writer.writerow({name: _safe(value) for name, value in asdict(row).items()})
    return text.getvalue()


def _safe(value: object) -> object:
    if value is None:
        return ""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
