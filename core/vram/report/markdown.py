"""A Document as Markdown for issues and pull requests: text cannot become a link, a mention, an image or HTML."""

from __future__ import annotations

import re

from vram.report.document import Block, Code, Document, Figure, Heading, Headline, Items, Legend, Paragraph, Table

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!@&])")
_MARKS = {"good": "✅", "warn": "⚠️", "bad": "❌", "plain": ""}


def document_markdown(document: Document) -> str:
    """The text, ending in a newline."""
    shown = [block for block in document.blocks if not isinstance(block, Figure | Legend)]
    following = [*shown[1:], None]
    kept = (
        block
        for block, after in zip(shown, following, strict=True)
        if not (
            isinstance(block, Heading) and (after is None or isinstance(after, Heading))
        )  # its figures are not shown
    )
    written = (_block(block) for block in kept)
    return "\n\n".join(text for text in written if text) + "\n"


def _block(block: Block) -> str:
    match block:
        case Headline():
            return f"## {_MARKS[block.tone]} {_text(block.text)}".replace("  ", " ") + f"\n\n{_text(block.detail)}"
        case Heading():
            return f"### {_text(block.text)}"
        case Paragraph():
            return f"{_MARKS[block.tone]} {_text(block.text)}".strip()
        case Code():
            fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", block.text)), 3)
            return f"{fence}\n{block.text}\n{fence}"
        case Items():
            return "\n".join(f"- {_MARKS[block.tone]} {_text(item)}".replace("-  ", "- ") for item in block.items)
        case Table():
            return _table(block)
        case Figure() | Legend():
            return ""


def _table(table: Table) -> str:
    rule = "|".join("---:" if i in table.numeric else "---" for i in range(len(table.header)))
    rows = [_row(table.header), f"|{rule}|", *(_row(cells) for cells in table.rows)]
    return "\n".join(rows)


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(_text(cell) for cell in cells) + " |"


def _text(text: str) -> str:
    """On one line, with everything escaped that Markdown reads; a bare address does not become a link."""
    plain = " ".join("".join(c if ord(c) >= 32 else " " for c in text).split())
    return (
        _SPECIAL.sub(r"\\\1", plain)
        .replace("://", ":\N{ZERO WIDTH SPACE}//")
        .replace("www.", "www\N{ZERO WIDTH SPACE}.")
    )
