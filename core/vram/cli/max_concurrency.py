"""`vram max-concurrency`: an inverse answer."""

from __future__ import annotations

from typing import Any

import click

from vram.cli._options import engine_options, hardware_options, model_options, workload_options


@click.command("max-concurrency")
@model_options
@hardware_options
@engine_options
@workload_options
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.option("--check", is_flag=True, help="Exit with 1 when nothing fits.")
def command(**options: Any) -> None:
    """The most requests of --max-model-len tokens that fit at once.

    \b
    vram max-concurrency Qwen/Qwen3-8B --gpu "RTX 4090" --max-model-len 8192
    """
    from vram.cli._answer import estimate_from, warn_about_plugins

    estimate = estimate_from(options)
    warn_about_plugins()
    value = estimate.limits.max_concurrency_at_context
    if options["as_json"]:
        from json import dumps

        click.echo(dumps({"max_concurrency_at_context": value, "estimate": estimate.to_dict()}, indent=1))
    else:
        click.echo(
            f"{value:,} requests of {estimate.deployment.max_model_len:,} tokens fit at once"
            + f" ({estimate.model.id} on {estimate.deployment.gpu})."
        )
    if options["check"] and not value:
        raise click.exceptions.Exit(1)
