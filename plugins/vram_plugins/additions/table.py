"""Additions as a person reads them on a terminal."""

from __future__ import annotations

import textwrap
from shutil import get_terminal_size

import click

from vram.units import counted, format_gib
from vram_plugins.additions.records import Additions


def print_additions(found: Additions) -> None:
    """The deployment in a line, then each addition with its flags and its cost."""
    estimate = found.estimate
    facts, limits = estimate.deployment, estimate.limits
    click.secho(
        f"{estimate.model.id} on {facts.gpu}, {facts.concurrency} × {facts.max_model_len:,} tokens, vLLM {facts.vllm_version}",
        bold=True,
    )
    if found.problem:
        click.secho("\n".join(_wrapped(found.problem[0].upper() + found.problem[1:] + ".", "")), fg="red")
        return
    pool = format_gib(estimate.memory.kv_cache_available.expected)
    users = counted(limits.max_concurrency_at_context, "request")
    click.echo(f"  now: {pool} of KV cache, {limits.max_context_at_concurrency:,} tokens, {users}")
    for one in found.additions:
        click.echo()
        click.echo(click.style(one.what, bold=True) + (f"   {one.words}" if len(one.what + one.words) < 70 else ""))
        if len(one.what + one.words) >= 70:
            click.echo(f"  {one.words}")
        for line in _wrapped(f"costs {one.costs}" if one.fits else one.costs, "  "):
            click.secho(line, fg=None if one.fits else "red")
        if one.unmodelled:
            click.secho("\n".join(_wrapped(one.unmodelled, "  ")), dim=True)
        for change in one.changes:
            click.echo(f"  fits with {change}")


def _wrapped(line: str, first: str) -> list[str]:
    width = max(40, get_terminal_size((80, 24)).columns)
    return textwrap.wrap(
        line, width, initial_indent=first, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
