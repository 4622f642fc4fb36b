"""JUnit XML: a suite for each file, a case for each server; GitLab, Jenkins and others show it beside the tests."""

from __future__ import annotations

from collections import Counter
from itertools import groupby
from xml.sax.saxutils import escape, quoteattr

from vram.serving import printable
from vram_plugins.check.formats.words import deployed, sentence, subject, verdict
from vram_plugins.check.records import Checked, Finding


def written(checked: Checked, *, allow_unknown: bool = False) -> str:
    """What is known to fail is a failure, what is not understood an error, or skipped where that is allowed."""
    suites = [
        _suite(file, list(found), allow_unknown) for file, found in groupby(checked.findings, key=lambda one: one.file)
    ]
    counts = _counts(checked.findings, allow_unknown)
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return "\n".join([head, f'<testsuites name="vram check" {counts}>', *suites, "</testsuites>"]) + "\n"


def _suite(file: str, found: list[Finding], allow_unknown: bool) -> str:
    times: Counter[str] = Counter()
    cases = []
    for finding in found:
        what = " ".join(part for part in (subject(finding), f"line {finding.line}", deployed(finding)) if part)
        times[what] += 1  # GitLab keeps one case of a name
        cases.append(_case(finding, f"{what} ({times[what]})" if times[what] > 1 else what, allow_unknown))
    head = f"  <testsuite name={_attribute(file)} {_counts(found, allow_unknown)}>"
    return "\n".join([head, *cases, "  </testsuite>"])


def _counts(found: list[Finding] | tuple[Finding, ...], allow_unknown: bool) -> str:
    kinds = [_outcome(finding, allow_unknown) for finding in found]
    failures, errors, skipped = (kinds.count(kind) for kind in ("failure", "error", "skipped"))
    return f'tests="{len(kinds)}" failures="{failures}" errors="{errors}" skipped="{skipped}"'


def _outcome(finding: Finding, allow_unknown: bool) -> str:
    if finding.status == "not_vllm":
        return "skipped"
    if finding.status == "not_understood":
        return "skipped" if allow_unknown else "error"
    return "" if finding.passes else "failure"


def _case(finding: Finding, what: str, allow_unknown: bool) -> str:
    head = f"    <testcase classname={_attribute(finding.file)} name={_attribute(what)} file={_attribute(finding.file)}"
    head += f' line="{finding.line}"'
    outcome = _outcome(finding, allow_unknown)
    if not outcome:
        return head + "/>"
    told = sentence(finding)
    body = "" if outcome == "skipped" else escape(told)
    kind = "" if outcome == "skipped" else f" type={_attribute(verdict(finding))}"
    return f"{head}>\n      <{outcome} message={_attribute(told)}{kind}>{body}</{outcome}>\n    </testcase>"


def _attribute(text: str) -> str:
    """Quoted, without what XML cannot hold."""
    return quoteattr(printable(text))
