"""A Document as one HTML file: no script, no request, every text escaped, readable narrow and in the dark."""

from __future__ import annotations

from pathlib import Path

from vram.report.document import Block, Code, Document, Figure, Heading, Headline, Items, Legend, Paragraph, Table
from vram.report.markup import Markup, join, tag

STYLE_FILE = Path(__file__).with_name("report.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def document_html(document: Document) -> str:
    """The file's text. The policy in it forbids every request, whatever a model's name holds."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("title", document.title),
        tag("style", Markup(STYLE_FILE.read_text(encoding="utf-8"))),
    )
    body = tag("body", tag("main", *(block_html(block) for block in document.blocks)))
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def block_html(block: Block) -> Markup:
    """One block as markup."""
    match block:
        case Headline():
            return tag("header", tag("h1", block.text), tag("p", block.detail), class_=f"headline {block.tone}")
        case Heading():
            return tag("h2", block.text)
        case Paragraph():
            return tag("p", block.text, class_=block.tone)
        case Code():
            return tag("pre", tag("code", block.text))
        case Items():
            return tag("ul", *(tag("li", item) for item in block.items), class_=block.tone)
        case Legend():
            return tag("p", *(_key(colour, words) for colour, words in block.entries), class_="legend")
        case Figure():
            return tag("figure", block.svg, tag("figcaption", block.caption) if block.caption else "")
        case Table():
            return _table(block)


def _key(colour: str, words: str) -> Markup:
    swatch = tag("rect", width=10, height=10, class_=f"s-{colour}")
    return tag("span", tag("svg", swatch, viewBox="0 0 10 10", class_="swatch", aria_hidden="true"), words)


def _table(table: Table) -> Markup:
    def row(kind: str, cells: tuple[str, ...]) -> Markup:
        return tag(
            "tr",
            *(tag(kind, cell, class_="number" if i in table.numeric else None) for i, cell in enumerate(cells)),
        )

    head = tag("thead", row("th", table.header))
    body = tag("tbody", join(row("td", cells) for cells in table.rows))
    return tag("div", tag("table", head, body), class_="scroll")
