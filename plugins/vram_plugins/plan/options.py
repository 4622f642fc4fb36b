"""The options by which a plan with targets chooses, for every command that plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from vram_plugins.targets.options import target_options, targets_from

C = TypeVar("C", bound=Callable[..., Any])

_GOAL = "Of what keeps the targets: least money or hardware; or of all the GPUs the quickest, or what carries most."
_LENGTHS = "Tokens of prompts and answers, a pair a line: CSV or JSONL, in place of --prompt-tokens and --gen-tokens."


def planned_options(command: C) -> C:
    """The same with what a plan chooses by: --goal, --lengths, --prices and --price."""
    for decorate in reversed((
        target_options,
        click.option("--lengths", default=None, metavar="FILE", help=_LENGTHS),
        click.option(
            "--goal", type=click.Choice(["cost", "latency", "throughput"]), default="cost", show_default=True, help=_GOAL
        ),
        click.option("--prices", default=None, metavar="FILE", help="Price per GPU and hour: TOML, JSON, YAML or CSV."),
        click.option("--price", multiple=True, metavar="NAME=PRICE", help="One price: H100=2.49, L40S=0.90EUR."),
    )):  # fmt: skip
        command = decorate(command)
    return command


def planned_from(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `planned_options` were given, as `vram.plan` takes it. Raises InputError."""
    from vram_plugins.compare.prices import prices_from

    prices = prices_from(options["prices"], options["price"])
    return {**targets_from(options), "goal": options["goal"], "lengths": options["lengths"], "prices": prices}
