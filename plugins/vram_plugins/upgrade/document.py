"""An upgrade as a report."""

from __future__ import annotations

from vram.report import Block, Document, Heading, Headline, Items, Table
from vram_plugins.upgrade.records import Upgrade
from vram_plugins.upgrade.words import assumed, faults, flags, reasons, rows, settings, verdict_of


def upgrade_document(found: Upgrade) -> Document:
    """The report: both verdicts, figures side by side, reasons, flags and faults."""
    before, after = found.before, found.after
    versions = before.deployment.vllm_version, after.deployment.vllm_version
    detail = f"{before.model.id} on {before.deployment.gpu}; before: {verdict_of(before)}"
    text = f"vLLM {versions[0]} → {versions[1]}: {verdict_of(after)}"
    fine, starts = after.verdict.fits, after.verdict.starts
    head = Headline(text=text, detail=detail, tone="good" if fine else "warn" if starts else "bad")
    blocks: list[Block] = [head]
    blocks.append(
        Table(header=("per GPU, GiB", *versions, "change"), rows=tuple(rows(found)), numeric=frozenset({1, 2, 3}))
    )
    failed = tuple(f"{check.message}." for check in after.verdict.checks if not check.passed)
    if failed:
        blocks.append(Items(items=failed, tone="bad"))
    if after.verdict.changes:
        blocks.append(Heading(text="Starts and fits with one of these"))
        changes = tuple((change.words, change.gives_up) for change in after.verdict.changes)
        blocks.append(Table(header=("change", "what it costs"), rows=changes))
    why = tuple(reasons(found))
    if why:
        blocks += [Heading(text="Why"), Table(header=("release", "what moved"), rows=why)]
    for heading, lines in (
        ("Other settings", settings),
        ("Flags", flags),
        ("Assumed", assumed),
        ("Known faults", faults),
    ):
        told = tuple(lines(found))
        if told:
            blocks += [Heading(text=heading), Items(items=told)]
    return Document(title=text, blocks=tuple(blocks))
