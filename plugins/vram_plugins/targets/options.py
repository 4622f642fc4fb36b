"""The options of targets, alike for every command that takes them, and their arguments of the library."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

C = TypeVar("C", bound=Callable[..., Any])


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


def targets_from(options: Mapping[str, Any]) -> dict[str, Any]:
    """What `target_options` were given, as `vram.plan` and `vram.compare` take it."""
    times = {name: options[name] for name in ("ttft_ms", "tpot_ms", "requests_per_second")}
    return {**times, "percentile": int(options["percentile"])}
