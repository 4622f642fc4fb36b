"""`vram plan`: from a workload and hardware to a configuration that starts and fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vram.commands.groups import GroupedCommand
from vram.commands.options import engine_options, hardware_options, model_options, workload_options
from vram.commands.reports import report_options, write_reports

if TYPE_CHECKING:
    from vram.models.plan import Plan
    from vram.report.document import Document
    from vram.serving.command import ServeCommand


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
@report_options
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
@click.option("--explain", is_flag=True, help="The reason of each flag.")
@click.option("--check", is_flag=True, help="Exit with 1 when nothing fits.")
def command(**options: Any) -> None:
    """Recommend how to run MODEL: parallel sizes, context, batch, KV dtype, quantization where needed.

    --gpus is the most there are (default: 8, one machine); the fewest that do the job are taken. Flags you give are
    kept. Without tokens, room for 8,192 per request is looked for, then as long a context as fits.

    \b
    vram plan Qwen/Qwen3-8B --gpu "RTX 4090" --concurrency 4 --explain
    vram plan meta-llama/Llama-3.3-70B-Instruct --gpu H100 --gpus 4 --prompt-tokens 4000 --gen-tokens 500 --concurrency 32
    """
    from vram.commands.answers import pasted_command, warn_about_plugins

    found = planned(options, pasted_command(options))
    warn_about_plugins()
    told = write_reports(options, lambda: _document(found))
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(found.to_dict(), indent=1))
    elif not told:
        from vram.report.plan_table import print_plan

        print_plan(found, explain=options["explain"])
    if options["check"] and not found.feasible:
        raise click.exceptions.Exit(1)


def planned(options: dict[str, Any], pasted: ServeCommand | None) -> Plan:
    """The plan for a command's options. Raises VramError."""
    from vram.advise.plan import plan
    from vram.commands.answers import engine_from, gpus_of, model_from, opened
    from vram.commands.options import policy_of

    model = pasted.model if pasted else model_from(options)
    arguments = engine_from(options, pasted)
    return plan(
        opened(model, options["revision"] or (pasted.revision if pasted else None)),
        gpu=options["gpu"],
        gpu_memory_gib=options["gpu_memory_gib"],
        gpus=gpus_of(options, pasted),
        interconnect=options["interconnect"],
        prompt_tokens=options["prompt_tokens"],
        gen_tokens=options["gen_tokens"],
        concurrency=options["concurrency"],
        batching_mode=options["batching_mode"] or "balanced",
        vllm_version=options["vllm_version"] or (pasted.vllm_version if pasted else None),
        profile=options["profile"],
        policy=policy_of(options),
        trust_remote_code=options["trust_remote_code"],
        **arguments,
    )


def _document(found: Plan) -> Document:
    from vram.report.plan_blocks import plan_document

    return plan_document(found)
