"""A report as blocks, written once and rendered as HTML or as Markdown."""

from __future__ import annotations

from typing import Literal

from vram.models.record import frozen
from vram.report.markup import Markup

Tone = Literal["good", "warn", "bad", "plain"]


@frozen(kw_only=True)
class Headline:
    """The verdict: first of everything."""

    text: str
    detail: str = ""
    tone: Tone = "plain"


@frozen(kw_only=True)
class Heading:
    """The title of a section."""

    text: str


@frozen(kw_only=True)
class Paragraph:
    """A sentence or a few."""

    text: str
    tone: Tone = "plain"


@frozen(kw_only=True)
class Table:
    """Text in rows; `numeric` columns are right-aligned."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: frozenset[int] = frozenset()


@frozen(kw_only=True)
class Code:
    """Lines to copy."""

    text: str


@frozen(kw_only=True)
class Items:
    """A list of sentences."""

    items: tuple[str, ...]
    tone: Tone = "plain"


@frozen(kw_only=True)
class Legend:
    """Which colour is what: (colour's name, words)."""

    entries: tuple[tuple[str, str], ...]


@frozen(kw_only=True)
class Figure:
    """A plot as SVG; Markdown has no place for it."""

    svg: Markup
    caption: str = ""


Block = Headline | Heading | Paragraph | Table | Code | Items | Legend | Figure


@frozen(kw_only=True)
class Document:
    """A whole report."""

    title: str
    blocks: tuple[Block, ...]
