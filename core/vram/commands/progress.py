"""A line on standard error while something is slow; nothing when it is quick or nobody watches."""

from __future__ import annotations

import sys
import time

import click

_PATIENCE = 0.5  # seconds before a person wonders


class Progress:
    """Call it as (what, done, total); `close` removes the line."""

    def __init__(self) -> None:
        self._start = time.monotonic()
        self._width = 0

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show where things are, if that takes long and standard error is a terminal."""
        if time.monotonic() - self._start < _PATIENCE or not sys.stderr.isatty():
            return
        line = f"{what} {done}/{total}" if total else what
        click.echo("\r" + line.ljust(self._width), err=True, nl=False)
        self._width = len(line)

    def close(self) -> None:
        """Remove the line."""
        if self._width:
            click.echo("\r" + " " * self._width + "\r", err=True, nl=False)
            self._width = 0
