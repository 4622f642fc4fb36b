"""An answer as text, a table, Markdown or HTML: documents of blocks, and what writes them.

Public are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.report.axes import Scale, round_marks
    from vram.report.charts import curve_chart, field_chart
    from vram.report.comparison_blocks import comparison_document
    from vram.report.document import Block, Code, Document, Figure, Heading, Headline, Items, Legend, Paragraph, Table
    from vram.report.estimate_blocks import estimate_document, headline, vllm_lines
    from vram.report.html import STYLE_FILE, block_html, document_html
    from vram.report.json_schema import estimate_schema, record_schema
    from vram.report.listing import print_rows
    from vram.report.markdown import document_markdown
    from vram.report.markup import Markup, join, tag
    from vram.report.plan_blocks import plan_document
    from vram.report.segments import bars_of
    from vram.report.terminal import columns, open_console, print_table
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.report.axes": "Scale round_marks",
            "vram.report.charts": "curve_chart field_chart",
            "vram.report.comparison_blocks": "comparison_document",
            "vram.report.document": "Block Code Document Figure Heading Headline Items Legend Paragraph Table",
            "vram.report.estimate_blocks": "estimate_document headline vllm_lines",
            "vram.report.html": "STYLE_FILE block_html document_html",
            "vram.report.json_schema": "estimate_schema record_schema",
            "vram.report.listing": "print_rows",
            "vram.report.markdown": "document_markdown",
            "vram.report.markup": "Markup join tag",
            "vram.report.plan_blocks": "plan_document",
            "vram.report.segments": "bars_of",
            "vram.report.terminal": "columns open_console print_table",
        },
    )

__all__ = [
    "STYLE_FILE",
    "Block",
    "Code",
    "Document",
    "Figure",
    "Heading",
    "Headline",
    "Items",
    "Legend",
    "Markup",
    "Paragraph",
    "Scale",
    "Table",
    "bars_of",
    "block_html",
    "columns",
    "comparison_document",
    "curve_chart",
    "document_html",
    "document_markdown",
    "estimate_document",
    "estimate_schema",
    "field_chart",
    "headline",
    "join",
    "open_console",
    "plan_document",
    "print_rows",
    "print_table",
    "record_schema",
    "round_marks",
    "tag",
    "vllm_lines",
]
