"""Annotations of GitHub Actions: workflow commands on standard output, then the summary."""

from __future__ import annotations

from vram_plugins.check.formats.words import sentence, subject, summary, verdict
from vram_plugins.check.records import Checked, Finding


def written(checked: Checked, *, allow_unknown: bool = False) -> str:
    """One command for each server that does not pass."""
    lines = [_command(one, warn=allow_unknown) for one in checked.findings if not one.passes]
    return "\n".join([*lines, summary(checked)]) + "\n"


def _command(finding: Finding, *, warn: bool) -> str:
    level = "warning" if finding.status == "not_understood" and warn else "error"
    title = f"vram: {subject(finding)} {verdict(finding)}".replace("  ", " ")
    file, title = _property(finding.file.encode(errors="replace").decode()), _property(title)
    return f"::{level} file={file},line={finding.line},title={title}::{_data(sentence(finding))}"


def _data(text: str) -> str:
    """As `@actions/core` escapes what stands behind the second colon pair."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
