"""`vram max-context` and `vram max-concurrency`: inverse answers, alike but for what they ask."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from vram.commands import GroupedCommand, engine_options, hardware_options, model_options, workload_options
from vram.models.estimate import Estimate
from vram.models.record import frozen


@frozen(kw_only=True)
class Inverse:
    """One inverse question: the command's name and help, the limit it reads, and the sentence that tells it.

    `cured` names start-up checks that fail at the asked length alone, which the answer may change.
    """

    name: str
    help: str
    limit: str
    sentence: Callable[[int, Estimate], str]
    cured: frozenset[str] = frozenset()

    def refusal(self, estimate: Estimate) -> str | None:
        """Why vLLM would not start whatever the answer is; None where it would."""
        failed = (check for check in estimate.verdict.checks if not check.passed and check.name not in self.cured)
        return next((check.message for check in failed), None)


def inverse_command(inverse: Inverse) -> click.Command:
    """The command that answers it."""

    @click.command(inverse.name, cls=GroupedCommand, help=inverse.help)
    @model_options
    @hardware_options
    @engine_options
    @workload_options
    @click.option("--json", "as_json", is_flag=True, help="JSON on standard output.")
    @click.option("--check", is_flag=True, help="Exit with 1 when it does not start, or may not, or nothing fits.")
    @click.option(
        "--accept-borderline", is_flag=True, help="With --check: a start that is too close to be sure counts."
    )
    def command(**options: Any) -> None:
        from vram.commands import estimate_from, warn_about_plugins

        estimate = estimate_from(options)
        warn_about_plugins()
        for sentence in estimate.left_out:
            click.echo(f"Warning: {sentence}", err=True)
        value = getattr(estimate.limits, inverse.limit)
        if options["as_json"]:
            from json import dumps

            click.echo(dumps({inverse.limit: value, "estimate": estimate.to_dict()}, indent=1))
        else:
            where = f" ({estimate.model.id} on {estimate.deployment.gpu})."
            click.echo(inverse.sentence(value, estimate) + where)
        refusal = inverse.refusal(estimate)
        if refusal:
            may = "may" if estimate.verdict.certainty == "borderline" else "would"
            click.echo(f"Warning: vLLM {may} refuse to start: {refusal}.", err=True)
            for change in estimate.verdict.changes:
                click.echo(f"  starts and fits with {change.words}", err=True)
        unsure = estimate.verdict.starts and estimate.verdict.certainty == "borderline"
        if options["check"] and (refusal or not value or (unsure and not options["accept_borderline"])):
            raise click.exceptions.Exit(1)

    return command
