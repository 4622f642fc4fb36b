"""`vram max-context`: an inverse answer."""

from __future__ import annotations

from typing import Any

import click

from vram.cli._options import engine_options, hardware_options, model_options, workload_options


@click.command("max-context")
@model_options
@hardware_options
@engine_options
@workload_options
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.option("--check", is_flag=True, help="Exit with 1 when nothing fits.")
def command(**options: Any) -> None:
    """The largest context (tokens per request) that fits at --concurrency requests.

    \b
    vram max-context Qwen/Qwen3-8B --gpu "RTX 4090" --concurrency 4
    """
    from vram.cli._answer import estimate_from, warn_about_plugins

    estimate = estimate_from(options)
    warn_about_plugins()
    value = estimate.limits.max_context_at_concurrency
    if options["as_json"]:
        from json import dumps

        click.echo(dumps({"max_context_at_concurrency": value, "estimate": estimate.to_dict()}, indent=1))
    else:
        click.echo(
            f"{value:,} tokens per request fit with {estimate.deployment.concurrency} at once"
            + f" ({estimate.model.id} on {estimate.deployment.gpu})."
        )
    if options["check"] and not value:
        raise click.exceptions.Exit(1)
