"""Options under headings in `--help`: fifty in one list are read by nobody."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any])

MODEL = "Model"
HARDWARE = "Hardware"
WORKLOAD = "Workload, and what counts as fitting"
ENGINE = "vLLM's engine arguments, under its names"
BY_HAND = "A model by hand, instead of MODEL"
_ORDER = (MODEL, HARDWARE, WORKLOAD, None, ENGINE, BY_HAND)
_REST = "Answer"


class _GroupedOption(click.Option):
    """An option that knows its heading."""

    def __init__(self, *args: Any, heading: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.heading = heading


def option(heading: str, *flags: str, **settings: Any) -> Callable[[C], C]:
    """`click.option` under a heading."""
    return click.option(*flags, cls=_GroupedOption, heading=heading, **settings)


class GroupedCommand(click.Command):
    """A command whose help has its options under headings; a command's own ones are what shapes its answer."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the sections that have options, the long lists last."""
        rows: dict[str | None, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
            if record is not None:
                heading = parameter.heading if isinstance(parameter, _GroupedOption) else None
                rows.setdefault(heading, []).append(record)
        for heading in _ORDER:
            if heading in rows:
                with formatter.section(heading or _REST):
                    formatter.write_dl(rows[heading])
