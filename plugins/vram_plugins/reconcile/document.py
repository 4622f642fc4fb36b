"""A start-up log against the estimate, as a report."""

from __future__ import annotations

from vram.report import Block, Document, Heading, Headline, Items, Paragraph, Table
from vram.units import GIB
from vram_plugins.logs.stages import WORDS
from vram_plugins.reconcile.records import Component, Reconciliation


def reconciliation_document(result: Reconciliation) -> Document:
    """The report: what the start came to, what went wrong, the numbers side by side, why they differ."""
    start = result.start
    text = "crashed or refused to start" if start.failures else "started" if start.ready else "start-up"
    text = f"failed while {WORDS[result.stage]}" if result.stage else text
    version = result.vllm_version or start.version
    what = result.model or start.model or "a model the log does not name"
    gpu = result.gpu or start.gpu
    detail = f"{what}{f' on {gpu}' if gpu else ''}{f', vLLM {version}' if version else ''}"
    blocks: list[Block] = [Headline(text=text, detail=detail, tone="bad" if start.failures else "plain")]
    if result.findings:
        items = tuple(f"{one.message}." + (f" Change: {one.fix}" if one.fix else "") for one in result.findings)
        blocks.append(Items(items=items, tone="bad"))
    if result.changes:
        blocks.append(Heading(text="Starts and fits with one of these"))
        rows = tuple((change.words, change.gives_up) for change in result.changes)
        blocks.append(Table(header=("change", "what it costs"), rows=rows))
    elif result.no_change:
        blocks.append(Paragraph(text=result.no_change))
    if result.components:
        blocks += [Heading(text="Logged and predicted, per GPU"), _table(result)]
        told = tuple(f"{_name(one)}: {one.explanation}" for one in result.components if one.explanation)
        if told:
            blocks.append(Items(items=told))
    elif result.problem:
        blocks.append(Paragraph(text=f"Not compared: {result.problem}", tone="warn"))
    if result.notes:
        blocks.append(Items(items=tuple(result.notes), tone="warn"))
    if result.profile:
        blocks.append(Paragraph(text=f"Overhead profile {result.profile}."))
    return Document(title=f"{what}: {text}", blocks=tuple(blocks))


def _table(result: Reconciliation) -> Table:
    rows = tuple(
        (
            _name(one),
            _amount(one, one.logged),
            _amount(one, one.predicted),
            f"{_amount(one, one.low)} … {_amount(one, one.high)}" if one.unit == "bytes" else "",
            _amount(one, one.difference),
            "within" if one.inside else "outside",
        )
        for one in result.components
    )
    header = ("per GPU", "logged", "predicted", "low … high", "difference", "")
    return Table(header=header, rows=rows, numeric=frozenset({1, 2, 3, 4}))


def _name(one: Component) -> str:
    return one.name.replace("_", " ")


def _amount(one: Component, value: float) -> str:
    if one.unit == "bytes":
        return f"{value / GIB:.2f} GiB"
    return f"{value:,.0f}" if one.unit == "count" else f"{value:.2f}"
