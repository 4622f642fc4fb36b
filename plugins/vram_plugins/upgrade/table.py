"""An upgrade as a person reads it on a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from shutil import get_terminal_size

import click

from vram_plugins.upgrade.records import Upgrade
from vram_plugins.upgrade.words import assumed, faults, flags, reasons, rows, settings, verdict_of


def print_upgrade(found: Upgrade) -> None:
    """Verdicts first, then figures side by side, then what changed and why."""
    before, after = found.before, found.after
    facts = before.deployment
    ranks = facts.tensor_parallel_size * facts.pipeline_parallel_size * facts.data_parallel_size
    what = f"{before.model.id} on {f'{ranks} × ' if ranks > 1 else ''}{facts.gpu}, {facts.concurrency} × {facts.max_model_len:,} tokens"
    versions = facts.vllm_version, after.deployment.vllm_version
    colour = "green" if after.verdict.fits else "yellow" if after.verdict.starts else "red"
    click.echo(click.style(f"vLLM {versions[0]} → {versions[1]}", bold=True) + f"   {what}")
    click.echo(f"before: {verdict_of(before)}   after: " + click.style(verdict_of(after), fg=colour, bold=True))
    click.echo()
    table = [("per GPU, GiB", *versions, "change"), *rows(found)]
    widths = [max(len(row[at]) for row in table) for at in range(4)]
    for number, row in enumerate(table):
        cells = (
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        line = "   ".join(cells).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)
    click.echo()
    for check in after.verdict.checks:
        if not check.passed:
            click.secho("\n".join(_wrapped(f"✗ {check.message}.", "")), fg="red")
    _section(
        f"With vLLM {versions[1]} it starts and fits with one of these", (one.words for one in after.verdict.changes)
    )
    _section("Other settings, where nobody says otherwise", settings(found))
    _section("Why", (f"{release:<7} {why}" for release, why in reasons(found)), indent=10)
    _section("Flags", flags(found))
    _section("Assumed", assumed(found))
    _section("Known faults that this deployment meets", faults(found))


def _section(heading: str, lines: Iterable[str], *, indent: int = 4) -> None:
    told = list(lines)
    if told:
        click.secho(heading, bold=True)
        for line in told:
            click.echo("\n".join(_wrapped(line, "  ", indent)))
        click.echo()


def _wrapped(line: str, first: str, indent: int = 2) -> list[str]:
    width = max(40, get_terminal_size((80, 24)).columns)
    return textwrap.wrap(
        line,
        width,
        initial_indent=first,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
