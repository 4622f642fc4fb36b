"""`vram estimate`: the main job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vram.commands.groups import GroupedCommand
from vram.commands.options import engine_options, hardware_options, model_options, workload_options
from vram.commands.reports import report_options, write_reports

if TYPE_CHECKING:
    from vram.estimate.question import Question
    from vram.models.estimate import Estimate
    from vram.report.document import Document

#: --ask-vllm without a word: the vLLM that is found first
USUAL = "vllm"
_ASK = "Let your installed vLLM build and plan the model, without a GPU. Behind MODEL; PYTHON: the interpreter that has it."


@click.command("estimate", cls=GroupedCommand)
@model_options
@hardware_options
@engine_options
@workload_options
@click.option("--json", "as_json", is_flag=True, help="The JSON contract on standard output.")
@report_options
@click.option("--plot", is_flag=True, help="Plots in plain characters: context, users, and what fits.")
@click.option("--explain", is_flag=True, help="Each formula with its values filled in.")
@click.option("--ask-vllm", is_flag=False, flag_value=USUAL, metavar="[PYTHON]", help=_ASK)
@click.option("--cross-check", is_flag=True, help="Your vLLM's answer beside this one; exit with 1 where they differ.")
@click.option("--check", is_flag=True, help="Exit with 1 when it does not start or fit, or may not.")
@click.option("--accept-borderline", is_flag=True, help="With --check: a start that is too close to be sure counts.")
def command(**options: Any) -> None:
    """Predict what vLLM prints when it starts MODEL, and say whether the workload fits.

    \b
    vram estimate Qwen/Qwen3-8B --gpu H100
    vram estimate ./my-model --gpu L40S --tp 2 --max-model-len 32768 --concurrency 16
    vram estimate --params-billion 8 --layers 36 --kv-heads 8 --head-dim 128 --vram-gib 24
    """
    from vram.ask.answering import answer
    from vram.ask.asking import ask
    from vram.commands.answers import arguments_from, noted, opened, warn_about_plugins
    from vram.commands.pasted import pasted_command

    pasted = pasted_command(options)
    arguments = opened(arguments_from(options, pasted))
    python = options["ask_vllm"]
    arguments["ask_vllm"] = bool(python) or options["cross_check"] if python in {None, USUAL} else python
    if options["cross_check"]:
        if options["html"] or options["markdown"] or options["plot"] or options["explain"]:
            raise click.UsageError("--cross-check prints both answers alone: a table, or --json.")
        from vram.architecture.engine import engine_named
        from vram.plugin.manager import plugins

        if not engine_named(plugins().engines).cross_check(arguments, as_json=options["as_json"]):
            raise click.exceptions.Exit(1)
        return
    question = ask(**arguments)
    estimate = noted(answer(question), pasted)
    warn_about_plugins()
    told = write_reports(options, lambda: _document(question, estimate))
    if options["as_json"]:
        from json import dumps

        click.echo(dumps(estimate.to_dict(), indent=1))
    elif not told:
        from vram.report.table import print_estimate

        print_estimate(estimate, explain=options["explain"])
    if options["plot"]:
        from vram.advise.curves import plots_of
        from vram.report.terminal import columns
        from vram.report.text_plots import plots_text

        click.echo("\n" + plots_text(estimate, plots_of(question), columns()), err=options["as_json"])
    unsure = estimate.verdict.certainty == "borderline" and not options["accept_borderline"]
    if options["check"] and (unsure or not estimate.verdict.fits):
        raise click.exceptions.Exit(1)


def _document(question: Question, estimate: Estimate) -> Document:
    from vram.advise.curves import plots_of
    from vram.report.estimate_blocks import estimate_document

    return estimate_document(estimate, plots_of(question))
