"""The terminal: how wide it is, and tables as rich writes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Column, Table
    from rich.text import Text

_NARROWEST = 20


def columns() -> int | None:
    """How many characters a line has, as COLUMNS says or the terminal; None where the output is none: its lines end where they end."""
    stated = os.environ.get("COLUMNS", "")
    if stated.isascii() and stated.isdecimal() and int(stated[:6]) > 0:
        return max(_NARROWEST, int(stated[:6]))
    try:
        return max(_NARROWEST, os.get_terminal_size(sys.stdout.fileno()).columns) if sys.stdout.isatty() else None
    except (OSError, ValueError):  # a stream that is no file
        return None


def open_console() -> Console:
    """A console that writes text as it is, and raises BrokenPipeError where nobody reads (rich's own ends with exit code 1)."""
    from rich.console import Console

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704  (rich calls it where it catches the error)

    return Terminal(highlight=False, emoji=False)


def print_table(console: Console, table: Table) -> None:
    """A table whose words stay whole: columns are narrowed to their longest word, and where that is not enough, each row is told line
    by line.
    """
    sizes = [_measured(console, column) for column in table.columns]
    spaces = 2 * (len(sizes) - 1)
    for column in table.columns:
        column.overflow = "fold"
    if sum(most for _, most in sizes) + spaces <= console.width:
        console.print(table)
    elif sum(least for least, _ in sizes) + spaces <= console.width:
        for column, width in zip(table.columns, _narrowed(sizes, console.width - spaces), strict=True):
            column.width, column.no_wrap = width, False
        console.print(table)
    else:
        for text in _told(table):
            console.print(text)


def _measured(console: Console, column: Column) -> tuple[int, int]:
    """The widths of a column's longest word and longest cell."""
    from rich.measure import measure_renderables

    endless = console.options.update(max_width=10_000)
    cells = [console.render_str(cell) if isinstance(cell, str) else cell for cell in (column.header, *column.cells)]
    found = measure_renderables(console, endless, cells)
    return found.minimum, found.maximum


def _narrowed(sizes: list[tuple[int, int]], room: int) -> list[int]:
    """Widths that fill the room, none under its least: the widest gives way first."""
    widths = [most for _, most in sizes]
    while sum(widths) > room:
        spare = [(width, at) for at, (width, (least, _)) in enumerate(zip(widths, sizes, strict=True)) if width > least]
        widths[max(spare)[1]] -= 1
    return widths


def _told(table: Table) -> Iterator[RenderableType]:
    """Each row as its first cell, and below it what the others are called and hold."""
    from rich.padding import Padding
    from rich.text import Text

    first, *others = ([_text(cell) for cell in column.cells] for column in table.columns)
    names = [_text(column.header).plain for column in table.columns[1:]]
    for number, cell in enumerate(first):
        yield cell
        for name, cells in zip(names, others, strict=True):
            if cells[number].plain:
                yield Padding(Text(f"{name}: " if name else "").append_text(cells[number]), (0, 0, 0, 2))


def _text(cell: RenderableType) -> Text:
    from rich.text import Text

    return cell if isinstance(cell, Text) else Text.from_markup(str(cell))
