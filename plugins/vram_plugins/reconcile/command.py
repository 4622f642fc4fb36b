"""`vram reconcile`: the estimate against a real start-up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vram.commands import GroupedCommand, engine_options, hardware_options, report_options, write_reports

if TYPE_CHECKING:
    from vram.report import Document
    from vram_plugins.reconcile.records import Reconciliation


@click.command("reconcile", cls=GroupedCommand)
@click.argument("log", metavar="LOG")
@click.option("--model", default=None, help="Hub id or folder, where the log's own name is not to be had here.")
@click.option("--revision", default=None, help="Branch, tag or commit on the Hub.")
@click.option("--trust-remote-code", is_flag=True, help="Allow code from the model's repository to run.")
@hardware_options
@engine_options
@click.option("--save", metavar="NAME", default=None, help="Keep the difference as a profile: estimate --profile NAME.")
@report_options
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
def command(log: str, **options: Any) -> None:
    """Compare a vLLM start-up LOG (a file, or - for standard input) with what would have been predicted.

    A whole pasted report will do: the command, the environment report, nvidia-smi's table and the log are found in it. Model, GPU
    and arguments are taken from there; options add what it lacks. Of a crash you learn at which stage it was, why, and what to
    change: every change was asked again, and starts.

    \b
    vram reconcile vllm.log --gpu H100
    vram reconcile issue.md
    docker logs my-vllm 2>&1 | vram reconcile - --gpu "RTX 4090" --save my-4090
    """
    from vram.commands import engine_arguments, warn_about_plugins
    from vram_plugins.reconcile.reconcile import reconcile

    result = reconcile(
        log,
        model=options["model"],
        gpu=options["gpu"],
        gpu_memory_gib=options["gpu_memory_gib"],
        gpus=options["gpus"],
        vllm_version=options["vllm_version"],
        profile=options["profile"],
        trust_remote_code=options["trust_remote_code"],
        revision=options["revision"],
        save=options["save"],
        **engine_arguments(options),
    )
    warn_about_plugins()
    told = write_reports(options, lambda: _document(result))
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(result.to_dict(), indent=1))
        return
    if told:
        return
    from vram_plugins.reconcile.table import print_reconciliation

    print_reconciliation(result)


def _document(result: Reconciliation) -> Document:
    from vram_plugins.reconcile.document import reconciliation_document

    return reconciliation_document(result)
