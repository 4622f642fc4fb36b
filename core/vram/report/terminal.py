"""The terminal as rich writes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


def open_console() -> Console:
    """A console that writes text as it is, and raises BrokenPipeError where nobody reads (rich's own ends with exit code 1)."""
    from rich.console import Console

    class Terminal(Console):
        def on_broken_pipe(self) -> None:
            raise  # noqa: PLE0704  (rich calls it where it catches the error)

    return Terminal(highlight=False, emoji=False)
