"""`vram estimate`: the main job."""

from __future__ import annotations

from typing import Any

import click

from vram.cli._options import engine_options, hardware_options, model_options, workload_options


@click.command("estimate")
@model_options
@hardware_options
@engine_options
@workload_options
@click.option("--json", "as_json", is_flag=True, help="The JSON contract on standard output.")
@click.option("--explain", is_flag=True, help="Each formula with its values filled in.")
@click.option("--check", is_flag=True, help="Exit with 1 when it does not start or does not fit.")
def command(**options: Any) -> None:
    """Predict what vLLM prints when it starts MODEL, and say whether the workload fits.

    \b
    vram estimate Qwen/Qwen3-8B --gpu H100
    vram estimate ./my-model --gpu L40S --tp 2 --max-model-len 32768 --concurrency 16
    vram estimate --params-billion 8 --layers 36 --kv-heads 8 --head-dim 128 --vram-gib 24
    """
    from vram.cli._answer import estimate_from, warn_about_plugins

    estimate = estimate_from(options)
    warn_about_plugins()
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(estimate.to_dict(), indent=1))
    else:
        from vram.report.table import print_estimate

        print_estimate(estimate, explain=options["explain"])
    if options["check"] and not estimate.verdict.fits:
        raise click.exceptions.Exit(1)
