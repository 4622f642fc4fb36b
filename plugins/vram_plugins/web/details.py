"""What stands below the answer: how to run it, vLLM's words, pictures, figures, where each number is from."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import urlencode

from vram.advise import plots_of
from vram.models.curves import Plots
from vram.models.estimate import Estimate
from vram.plugin import plugins
from vram.report import (
    Block,
    Code,
    Heading,
    Markup,
    block_html,
    curve_chart,
    estimate_document,
    field_chart,
    join,
    tag,
    vllm_lines,
)
from vram_plugins.web.answers import Shown, additions_of
from vram_plugins.web.card import key_markup
from vram_plugins.web.chips import fields_for
from vram_plugins.web.keys import link
from vram_plugins.web.pictures import speed_chart

_REPORTS = (("report.html", "Report (HTML)"), ("report.md", "Report (Markdown)"), ("estimate.json", "Estimate (JSON)"))


def details_markup(found: Shown) -> Markup:
    """All of it; no picture and no table of nothing where nothing fits."""
    estimate = found.estimate
    blocks = estimate_document(estimate).blocks
    return join(
        (
            _run(found),
            *(block_html(block) for block in vllm_lines(estimate)),
            _pictures(found),
            _additions(found),
            _folded("Memory in figures", _of("Memory per GPU", blocks)),
            _folded("How each number comes about", _of("How each number comes about", blocks)),
            _json(estimate),
        )
    )


def _run(found: Shown) -> Markup:
    """The command, and files to keep; each says so where what it starts does not."""
    verdict = found.estimate.verdict
    doubt = "" if found.surely_fits else "may not start" if verdict.certainty == "borderline" else "does not start"
    doubt = "does not fit" if doubt and verdict.starts and verdict.certainty == "likely" else doubt
    parts: list[object] = []
    if found.command:
        copy = tag("button", "Copy", type="button", id="copy-command", data_copy="command")
        parts += [tag("h2", "Command ", copy), tag("div", block_html(Code(text=found.command)), id="command")]
    elif found.problem:
        parts.append(tag("p", found.problem, class_="warn"))
    parts += [tag("h2", "Files"), _downloads(found, doubt)]
    if doubt:
        parts.append(tag("p", f"As asked it {doubt}; the files say so in their first lines.", class_="warn"))
    return join(parts)


def _downloads(found: Shown, doubt: str) -> Markup:
    query = urlencode(sorted(found.state.items()))
    links = [(name, words, "") for name, words in _REPORTS]
    if found.files is not None:
        for name, artifact in sorted(plugins().artifacts.items()):
            if found.files.model is not None or not artifact.serves:
                links.append((name, name, doubt if artifact.serves else ""))
    shown = (
        tag(
            "a",
            f"⚠ {words} ({warned})" if warned else words,
            href=f"download/{name}?{query}",
            download=True,
            class_="file",
        )
        for name, words, warned in links
    )
    return tag("p", *shown, class_="downloads")


def _pictures(found: Shown) -> Markup:
    """Memory against the context, what fits, and speed against users: of what fits at all."""
    plots = plots_of(found.question)
    drawn = [figure for figure in (_map(plots), speed_chart(found), _curve(plots)) if figure]
    return join((tag("h2", "Pictures"), tag("div", *drawn, class_="pictures"))) if drawn else Markup()


def _map(plots: Plots) -> Markup:
    field = plots.field
    if field is None or not any(column.most_users for column in field.columns):
        return Markup()
    caption = (
        "What fits: requests at once against tokens per request. Click on it to ask there; the dot is what is asked."
    )
    return tag("figure", field_chart(field), tag("figcaption", _keys("roomy", "tight", "just-not", "not"), caption))


def _curve(plots: Plots) -> Markup:
    curve = plots.by_context
    if not curve.limit:
        return Markup()
    caption = f"Memory against the context, with {plots.by_users.asked:,} at once."
    return tag("figure", curve_chart(curve), tag("figcaption", _keys("weights", "overhead", "kv"), caption))


_NAMES = {
    "roomy": "fits", "tight": "fits, tight", "just-not": "fits not quite", "not": "does not fit", "weights": "weights",
    "overhead": "overhead", "kv": "KV cache",
}  # fmt: skip


def _keys(*colours: str) -> Markup:
    return tag("span", *(key_markup(colour, _NAMES[colour]) for colour in colours), class_="legend")


def _additions(found: Shown) -> Markup:
    """A link for each thing that it could have besides, with what it costs."""
    offered = []
    for number, one in enumerate(additions_of(found)):
        fields = fields_for(found, one.arguments)
        words: Markup = tag("b", one.what)
        if fields and one.fits:
            words = tag("a", f"Add {one.what}", href=link(found.state, fields), class_="use", id=f"add-{number}")
        offered.append(tag("li", words, f" costs {one.costs}" if one.fits else f" {one.costs}"))
    return join((tag("h2", "It could have besides"), tag("ul", *offered, class_="plain"))) if offered else Markup()


def _of(section: str, blocks: Iterable[Block]) -> Markup:
    """The blocks below a heading, without it and without pictures, which the page has of its own."""
    inside, found = False, []
    for block in blocks:
        if isinstance(block, Heading):
            inside = block.text == section
        elif inside and type(block).__name__ not in {"Figure", "Legend"}:
            found.append(block_html(block))
    return join(found)


def _folded(title: str, content: Markup) -> Markup:
    name = title.partition(" ")[0].lower()
    return tag("details", tag("summary", title), content, class_="fold", id=name) if content else Markup()


def _json(estimate: Estimate) -> Markup:
    text = json.dumps(estimate.to_dict(), indent=1)
    return _folded("JSON", tag("pre", tag("code", text), id="estimate-json", tabindex="0"))
