"""What the page shows of an answer, as markup: verdict, fixes, memory, vLLM's words, limits, plots, files, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from vram.models.estimate import Estimate
from vram.plugin import plugins
from vram.report import (
    Block,
    Code,
    Document,
    Heading,
    Items,
    Markup,
    block_html,
    estimate_document,
    headline,
    join,
    tag,
)
from vram_plugins.web.answers import Shown
from vram_plugins.web.state import change_fields


def answer_markup(found: Shown, state: Mapping[str, str]) -> Markup:
    """The whole answer."""
    estimate = found.estimate
    blocks = estimate_document(estimate, found.plots).blocks
    memory, rest = _split(blocks)
    return join(
        (
            _inverse(found),
            block_html(headline(estimate)),
            _fixes(found),
            *(block_html(block) for block in memory),
            _limits(estimate),
            _additions(found),
            _command(found),
            _downloads(found, state),
            *(block_html(block) for block in rest),
            _json(estimate),
        )
    )


def document_markup(document: Document) -> Markup:
    """A report, as a part of the page."""
    return join(block_html(block) for block in document.blocks)


def _split(blocks: Iterable[Block]) -> tuple[list[Block], list[Block]]:
    """The blocks of memory and of vLLM's words, and those from the plots on; the others the page has in its own form."""
    memory: list[Block] = []
    rest: list[Block] = []
    section = ""
    for block in blocks:
        section = block.text if isinstance(block, Heading) else section
        if section in {"Memory per GPU", "vLLM will print"}:
            memory.append(block)
        elif section and not section.startswith("Limits"):
            rest.append(block)
    return memory, rest


def _inverse(found: Shown) -> Markup:
    if found.inverse is None:
        return Markup()
    one = found.inverse
    button = _apply(one.changes, "Use it") if one.changes else ""
    return tag("p", one.sentence, " ", button, class_="inverse")


def _fixes(found: Shown) -> Markup:
    """Failed checks, the warnings, and a button for each change with which it starts and fits."""
    verdict = found.estimate.verdict
    failed = [tag("li", f"{check.message}.") for check in verdict.checks if not check.passed]
    offered = []
    for change in verdict.changes:
        fields = change_fields(change.arguments, found.flags)
        words = _apply(fields, f"Apply {change.words}") if fields else tag("b", change.words)
        offered.append(tag("li", words, f" costs {change.gives_up}"))
    return join(
        (
            tag("ul", *failed, class_="bad") if failed else "",
            block_html(Items(items=verdict.warnings, tone="warn")) if verdict.warnings else "",
            tag("p", verdict.no_change) if verdict.no_change else "",
            tag("p", "Starts and fits with one of these:") if offered else "",
            tag("ul", *offered, class_="changes") if offered else "",
        )
    )


def _limits(estimate: Estimate) -> Markup:
    if not estimate.kv_cache.groups:
        return Markup()
    facts, limits = estimate.deployment, estimate.limits
    length, users = limits.max_context_at_concurrency, limits.max_concurrency_at_context
    return join(
        (
            tag("h2", "Limits, with the headroom kept"),
            tag(
                "ul",
                tag(
                    "li",
                    f"{length:,} tokens per request with {facts.concurrency:,} at once ",
                    _use("max_model_len", length),
                ),
                tag(
                    "li",
                    f"{users:,} request{'' if users == 1 else 's'} of {facts.max_model_len:,} tokens ",
                    _use("concurrency", users),
                ),
            ),
        )
    )


def _additions(found: Shown) -> Markup:
    """A button for each thing that it could have besides, with what it costs."""
    offered = []
    for one in found.additions:
        fields = change_fields(one.arguments, found.flags)
        words = _apply(fields, f"Add {one.what}") if fields and one.fits else tag("b", one.what)
        offered.append(tag("li", words, f" costs {one.costs}" if one.fits else f" {one.costs}"))
    if not offered:
        return Markup()
    return join((tag("h2", "It could have besides"), tag("ul", *offered, class_="changes")))


def _use(field: str, value: int) -> Markup:
    return _apply({field: str(value)}, "Use it") if value else Markup()


def _apply(changes: Mapping[str, str], words: str) -> Markup:
    return tag("button", words, type="button", class_="apply", data_set=json.dumps(dict(changes)))


def _command(found: Shown) -> Markup:
    if not found.command:
        return tag("p", found.problem, class_="warn") if found.problem else Markup()
    copy = tag("button", "Copy", type="button", class_="copy", data_copy="command")
    return join(
        (
            tag("h2", "Command ", copy),
            tag("div", block_html(Code(text=found.command)), id="command"),
        )
    )


def _downloads(found: Shown, state: Mapping[str, str]) -> Markup:
    query = urlencode(sorted(state.items()))
    links = [("report.html", "Report (HTML)"), ("report.md", "Report (Markdown)"), ("estimate.json", "Estimate (JSON)")]
    if found.files is not None:
        for name, artifact in sorted(plugins().artifacts.items()):
            if found.files.model is not None or not artifact.serves:
                links.append((name, name))
    shown = (tag("a", words, href=f"/download/{name}?{query}", download=True) for name, words in links)
    return join((tag("h2", "Downloads"), tag("p", *shown, class_="downloads")))


def _json(estimate: Estimate) -> Markup:
    text = json.dumps(estimate.to_dict(), indent=1)
    return tag("details", tag("summary", "JSON"), tag("pre", tag("code", text), id="json"))
