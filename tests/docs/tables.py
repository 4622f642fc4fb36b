"""A table of Markdown, as the reference pages have them, and a measured one between two marks of a page."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """The heading, a rule and a line for each row; a bar in a cell stays a bar."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def print_or_write(about: str | None, measured: Callable[[], str], page: Path, begin: str, end: str) -> None:
    """The command of a module that measures a table: print it, and with `--write` put it between the marks of the page."""
    options = argparse.ArgumentParser(description=about)
    options.add_argument("--write", action="store_true", help="into the page")
    chosen = options.parse_args()
    found = measured()
    print(found)
    if chosen.write:
        before, _, rest = page.read_text(encoding="utf-8").partition(begin)
        page.write_text(f"{before}{begin}\n\n{found}\n\n{end}{rest.partition(end)[2]}", encoding="utf-8")
