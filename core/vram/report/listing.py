"""Plain lists for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def print_rows(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table without frames, as wide as the terminal."""
    from rich.table import Table

    from vram.report.terminal import open_console, print_table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in header:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(_plain(cell) for cell in row))
    print_table(open_console(), table)


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(text)
