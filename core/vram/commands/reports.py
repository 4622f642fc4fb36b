"""--html and --markdown: an answer as a report to send to somebody."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from vram.report.document import Document

C = TypeVar("C", bound=Callable[..., Any])


def report_options(command: C) -> C:
    """--html FILE and --markdown."""
    text = "Also write a report: one HTML file that loads nothing from elsewhere."
    command = click.option("--markdown", is_flag=True, help="Markdown for issues and pull requests.")(command)
    return click.option("--html", metavar="FILE", default=None, help=text)(command)


def write_reports(options: dict[str, Any], document: Callable[[], Document]) -> bool:
    """Write what was asked for; whether Markdown went to standard output in place of the table.

    Raises OutputError where the file cannot be written.
    """
    if not options["html"] and not options["markdown"]:
        return False
    made = document()
    if options["html"]:
        from vram.deploy.writing import write_files
        from vram.models.artifact import GeneratedFile
        from vram.report.html import document_html

        folder, name = os.path.split(options["html"])
        write_files(folder or ".", [GeneratedFile(path=name, text=document_html(made))], force=True)
        click.echo(f"Report written to {options['html']}", err=True)
    if options["markdown"] and not options.get("as_json"):
        from vram.report.markdown import document_markdown

        click.echo(document_markdown(made), nl=False)
        return True
    return False
