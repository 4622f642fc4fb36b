"""For people: a line for each server, what is wrong with it below, and at the end what many of them share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from textwrap import TextWrapper

import click

from vram.serving import printable
from vram_plugins.check.formats.words import deployed, rule_of, subject, summary, verdict
from vram_plugins.check.records import NO_GPU, Checked, Finding

_MARKS = {
    None: ("✓", "green"), "does-not-start": ("✗", "red"), "does-not-fit": ("✗", "red"), "may-not-start": ("?", "yellow"),
    "not-understood": ("?", "yellow"),
}  # fmt: skip
_GAP = "  "
_INDENT = 2
_LEAST_REST = 36  # columns that need to be left beside the verdict
_SHARED = 2  # servers with one note, which is then said once

Note = tuple[str, str]


def written(checked: Checked, *, width: int = 100) -> str:
    """At most `width` columns but for words that are longer, with colours, which click takes away where there is no terminal."""
    found = checked.findings
    shared = _shared(found)
    number = max((len(str(finding.line)) for finding in found), default=1)
    judged = max((len(verdict(finding)) for finding in found), default=0)
    lines: list[str] = []
    for file, of_file in groupby(found, key=lambda finding: finding.file):
        lines.append(click.style(printable(file), bold=True))
        for finding in of_file:
            lines += _of(finding, number, judged, width, shared)
    lines += [""] if lines else []
    for (label, note), count in shared.items():
        told = printable(f"{label} for {count} servers: {note}")
        lines += [click.style(line, dim=True) for line in _wrapped(told, width, "  ")]
    bad = any(not finding.passes for finding in found)
    lines += [click.style(line, bold=True) if bad else line for line in _wrapped(summary(checked), width)]
    return "\n".join(lines + _hint(found, width)) + "\n"


def _of(finding: Finding, number: int, judged: int, width: int, shared: dict[Note, int]) -> Iterator[str]:
    mark, colour = ("·", "bright_black") if finding.status == "not_vllm" else _MARKS[rule_of(finding)]
    head = f"{' ' * _INDENT}{click.style(mark, fg=colour)} {finding.line:>{number}}{_GAP}"
    start = _INDENT + 2 + number + len(_GAP)
    below = start + judged + len(_GAP)
    first, *more = _told(finding)
    if width - below < _LEAST_REST:
        yield head + click.style(verdict(finding), fg=colour)
        below, opening = start, " " * start
    else:
        opening = f"{head}{click.style(f'{verdict(finding):<{judged}}', fg=colour)}{_GAP}"
    for text in [first] if first else []:
        one, *others = _wrapped(text, width - below)
        yield (opening + one).rstrip()
        yield from (" " * below + line for line in others)
    for text in more:
        yield from (" " * below + line for line in _wrapped(text, width - below, "  " * text.startswith("change: ")))
    for label, note in _notes(finding):
        if (label, note) not in shared:
            for line in _wrapped(printable(f"{label}: {note}"), width - below, "  "):
                yield " " * below + click.style(line, dim=True)


def _told(finding: Finding) -> Iterator[str]:
    """What it is, what is wrong with it where that is no matter of the first line, and what to change."""
    what, problem = deployed(finding), printable(finding.problem or "")
    about = ": ".join(part for part in (subject(finding), what or problem) if part)
    if finding.problem == NO_GPU:  # what to do about it is said once, at the end
        yield f"{about}; no GPU is stated"
        return
    yield about
    if what and problem:
        yield problem
    if finding.change:
        yield f"change: {printable(finding.change)}"
    elif finding.estimate is not None and finding.estimate.verdict.no_change:
        yield "change: none that is known here would do"


def _notes(finding: Finding) -> Iterator[Note]:
    yield from (("left out", note) for note in finding.left_out)
    yield from (("assumed", note) for note in finding.assumed)


def _shared(found: tuple[Finding, ...]) -> dict[Note, int]:
    """Notes that many servers have."""
    counts = Counter(note for finding in found for note in _notes(finding))
    return {note: count for note, count in counts.items() if count >= _SHARED}


def _hint(found: tuple[Finding, ...], width: int) -> list[str]:
    """What to type next where files say no GPU."""
    count = sum(finding.problem == NO_GPU for finding in found)
    if not count:
        return []
    files = "1 server states no GPU" if count == 1 else f"{count:,} servers state no GPU"
    return _wrapped(f'{files}: say which one they get, as in --gpu H100 or --gpu "2 x L40S".', width)


def _wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Flags stay whole."""
    wrapper = TextWrapper(width=max(12, width), subsequent_indent=indent, break_on_hyphens=False)
    return wrapper.wrap(text) or [""]
