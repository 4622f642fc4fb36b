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
#: under this name a command gets the flags that are no options of theirs
UNLISTED = "unlisted"
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


def _unlisted() -> list[click.Option]:
    """Options for flags that decide memory and are no argument of their own; a hundred, made for those who ask alone."""
    from vram.models.serve_flags import serve_flags

    def collect(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
        ctx.params.setdefault(UNLISTED, {})[parameter.name] = value

    flags = [flag for flag in serve_flags().values() if flag.effect in {"same", "decides"}]
    spelt = [f"{f.spelling}/--no-{f.spelling[2:]}" if f.takes == "switch" else f.spelling for f in flags]
    settings: dict[str, Any] = {"default": None, "hidden": True, "expose_value": False, "callback": collect}
    return [click.Option([words, flag.name], **settings) for words, flag in zip(spelt, flags, strict=True)]


class GroupedCommand(click.Command):
    """A command whose help has its options under headings; a command's own ones are what shapes its answer."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it; a flag of vLLM without an option of its own is then looked for in the table of all of them."""
        given = list(args)
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption:
            listed = {parameter.name for parameter in self.params}
            if "tensor_parallel_size" not in listed:
                raise
            self.params += [one for one in _unlisted() if one.name not in listed]
            return super().parse_args(ctx, given)

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
