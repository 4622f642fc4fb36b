"""The options of targets, alike for every command that takes them, and their arguments of the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any])

_GOAL = "Of what keeps the targets: least money or hardware; or of all the GPUs the quickest, or what carries most."
_LENGTHS = "Tokens of prompts and answers, a pair a line: CSV or JSONL, in place of --prompt-tokens and --gen-tokens."


def target_options(command: C) -> C:
    """--ttft-ms, --tpot-ms, --requests-per-second, --percentile."""
    for decorate in reversed((
        click.option("--ttft-ms", type=float, default=None, help="Target: most milliseconds to the first token."),
        click.option("--tpot-ms", type=float, default=None, help="Target: most milliseconds for each further token."),
        click.option("--requests-per-second", type=float, default=None, help="Target: requests that arrive a second, at random."),
        click.option(
            "--percentile", type=click.Choice(["50", "95"]), default="50", show_default=True,
            help="Of 100 requests so many keep the times.",
        ),
    )):  # fmt: skip
        command = decorate(command)
    return command


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


def targets_from(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `target_options` were given, as `vram.plan` and `vram.compare` take it."""
    times = {name: options[name] for name in ("ttft_ms", "tpot_ms", "requests_per_second")}
    return {**times, "percentile": int(options["percentile"])}


def planned_from(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `planned_options` were given, as `vram.plan` takes it. Raises InputError."""
    from vram_plugins.compare.prices import prices_from

    prices = prices_from(options["prices"], options["price"])
    return {**targets_from(options), "goal": options["goal"], "lengths": options["lengths"], "prices": prices}
