"""`vram plan`: from a workload and hardware to a configuration that starts and fits."""

from __future__ import annotations

from typing import Any

import click

from vram.commands import (
    GroupedCommand,
    engine_options,
    hardware_options,
    model_options,
    report_options,
    workload_options,
    write_reports,
)
from vram_plugins.plan.options import planned_from, planned_options


@click.command("plan", cls=GroupedCommand)
@model_options
@hardware_options
@click.option(
    "--interconnect", default=None, help="nvlink, pcie, or GB/s per GPU in one direction; default: the GPU's."
)
@engine_options
@workload_options
@click.option("--prompt-tokens", type=int, default=None, help="Tokens of a prompt.")
@click.option("--gen-tokens", type=int, default=None, help="Tokens of an answer.")
@click.option(
    "--batching-mode",
    type=click.Choice(["throughput", "latency", "balanced"]),
    default="balanced",
    show_default=True,
    help="What matters more: tokens in total, or soon.",
)
@planned_options
@report_options
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.option("--explain", is_flag=True, help="The reason of each flag.")
@click.option("--check", is_flag=True, help="Exit with 1 when nothing fits.")
def command(**options: Any) -> None:
    """Recommend how to run MODEL: parallel sizes, context, batch, KV dtype, quantization where needed.

    --gpus is the most there are (default: 8, one machine); the fewest that do the job are taken. Flags you give are
    kept. With targets (--ttft-ms, --tpot-ms, --requests-per-second) as many servers are taken as keep them at the unfavourable
    ends of the intervals of speed; --gpus bounds all of them. Without tokens, room for 8,192 per request is looked for, then as long
    a context as fits. --gpu may be several kinds of machine, with their numbers of GPUs, or clouds' instance types.

    \b
    vram plan Qwen/Qwen3-8B --gpu "RTX 4090" --concurrency 4 --explain
    vram plan meta-llama/Llama-3.3-70B-Instruct --gpu H100 --gpus 4 --prompt-tokens 4000 --gen-tokens 500 --concurrency 32
    vram plan Qwen/Qwen3-32B --gpu "8x H100, 4x L40S, p4d.24xlarge" --concurrency 16
    vram plan Qwen/Qwen3-32B --gpu H100 --ttft-ms 3000 --tpot-ms 40 --requests-per-second 5 --prompt-tokens 4000 --gen-tokens 500
    """
    from vram.commands import arguments_from, opened, pasted_command, warn_about_plugins
    from vram_plugins.plan.plan import plan
    from vram_plugins.plan.report import planned_document

    found = plan(
        **opened(arguments_from(options, pasted_command(options))),
        interconnect=options["interconnect"],
        prompt_tokens=options["prompt_tokens"],
        gen_tokens=options["gen_tokens"],
        batching_mode=options["batching_mode"],
        **planned_from(options),
    )
    warn_about_plugins()
    told = write_reports(options, lambda: planned_document(found))
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(found.to_dict(), indent=1))
    elif not told:
        from vram_plugins.plan.table import print_plan

        print_plan(found, explain=options["explain"])
    if options["check"] and not found.feasible:
        raise click.exceptions.Exit(1)
