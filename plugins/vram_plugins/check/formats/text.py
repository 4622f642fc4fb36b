"""For people: files with one line for each server, aligned; below one another where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from textwrap import TextWrapper

import click

from vram.serving import printable
from vram_plugins.check.formats.words import deployed, rule_of, subject, summary, verdict
from vram_plugins.check.records import Checked, Finding

_MARKS = {
    None: ("✓", "green"), "does-not-start": ("✗", "red"), "does-not-fit": ("✗", "red"), "may-not-start": ("?", "yellow"),
    "not-understood": ("?", "yellow"),
}  # fmt: skip
_GAP = "  "
_INDENT = 2
_KEPT = "\0"  # a blank at which no line ends
_LEAST_REST = 24  # columns that the last column needs for a line to be read as one
_WIDEST = (36, 64)  # of a server's name, of what is deployed


def written(checked: Checked, *, width: int = 100) -> str:
    """At most `width` columns but for words that are longer, with colours, which click takes away where there is no terminal."""
    lines: list[str] = []
    columns = _columns(checked.findings)
    for file, found in groupby(checked.findings, key=lambda finding: finding.file):
        lines.append(click.style(printable(file), bold=True))
        for finding in found:
            lines += _of(finding, columns, width)
    bad = any(not finding.passes for finding in checked.findings)
    told = _wrapped(summary(checked), width)
    return (
        "\n".join([*lines, *([""] if lines else []), *(click.style(line, bold=True) if bad else line for line in told)])
        + "\n"
    )


def _columns(findings: tuple[Finding, ...]) -> tuple[int, int, int]:
    """Widths of the line's number, the server's name and what is deployed."""
    number = max((len(str(finding.line)) for finding in findings), default=1)
    name = max((len(subject(finding)) for finding in findings), default=0)
    what = max((len(deployed(finding)) for finding in findings), default=0)
    return number, min(name, _WIDEST[0]), min(what, _WIDEST[1])


def _of(finding: Finding, columns: tuple[int, int, int], width: int) -> Iterator[str]:
    number, name, what = columns
    rule = rule_of(finding)
    mark, colour = ("·", "bright_black") if finding.status == "not_vllm" else _MARKS[rule]
    head = f"{' ' * _INDENT}{click.style(mark, fg=colour)} {finding.line:>{number}}"
    start = _INDENT + 2 + number
    told = verdict(finding) + (f": {finding.problem}" if finding.problem else "")
    told = printable(told)
    if finding.change:
        change = printable(finding.change)
        told += f". Change: {change.replace(' ', _KEPT) if change.startswith('--') else change}"
    rest = start + 2 * len(_GAP) + name + len(_GAP) + what
    if width - rest >= _LEAST_REST:
        first, *more = _wrapped(told, width - rest)
        cells = f"{subject(finding):<{name}}{_GAP}{deployed(finding):<{what}}"
        yield f"{head}{_GAP}{cells}{_GAP}{click.style(first, fg=colour)}".rstrip()
        yield from (" " * rest + click.style(line, fg=colour) for line in more)
        below = start + len(_GAP)
    else:
        below = start + 1
        stacked = [*_wrapped(subject(finding), width - below), *_wrapped(deployed(finding), width - below)]
        coloured = [click.style(line, fg=colour) for line in _wrapped(told, width - below)]
        first, *more = [*(line for line in stacked if line), *coloured]
        yield f"{head} {first}"
        yield from (" " * below + line for line in more)
    for label, notes in (("left out", finding.left_out), ("assumed", finding.assumed)):
        for note in notes:
            for line in _wrapped(printable(f"{label}: {note}"), width - below, "  "):
                yield " " * below + click.style(line, dim=True)


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Flags stay whole, and a change with its value on one line where there is room."""
    wrapper = TextWrapper(width=max(12, width), subsequent_indent=indent, break_on_hyphens=False)
    return [line.replace(_KEPT, " ") for line in wrapper.wrap(text)] or [""]
