"""`vram my-command`, imported when it is called."""

from __future__ import annotations

from typing import Any

import click

from vram.commands import engine_options, estimate_from, hardware_options, model_options, workload_options


@click.command("my-command")
@model_options
@hardware_options
@engine_options
@workload_options
def command(**options: Any) -> None:
    """What it does, and an example:

    \b
    vram my-command Qwen/Qwen3-8B --gpu H100
    """
    click.echo(estimate_from(options).verdict.fits)
