"""SARIF 2.1.0 for code scanning: a result for each server that does not pass, at its line."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from vram import __version__
from vram_plugins.check.formats.words import RULES, rule_of, sentence, subject, uri_of
from vram_plugins.check.records import Checked, Finding

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ORDER = tuple(RULES)
_ROOT = "%SRCROOT%"


def written(checked: Checked, *, allow_unknown: bool = False) -> str:
    """One run. What was not looked into is told as the tool's notifications."""
    results = [_result(finding, rule, allow_unknown) for finding in checked.findings if (rule := rule_of(finding))]
    driver = {"name": "vram", "version": __version__, "rules": [_rule(rule) for rule in _ORDER]}
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if checked.notes:
        invocation["toolExecutionNotifications"] = [
            {"level": "note", "message": {"text": note}} for note in checked.notes
        ]
    run = {
        "tool": {"driver": driver},
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(rule: str) -> dict[str, Any]:
    name, text = RULES[rule]
    level = "warning" if rule == "may-not-start" else "error"
    return {"id": rule, "name": name, "shortDescription": {"text": text}, "defaultConfiguration": {"level": level}}


def _result(finding: Finding, rule: str, allow_unknown: bool) -> dict[str, Any]:
    mild = rule == "may-not-start" or (allow_unknown and rule == "not-understood")
    artifact: dict[str, Any] = {"uri": _uri(finding.file)}
    if not finding.file.startswith("/"):
        artifact["uriBaseId"] = _ROOT
    identity = "\0".join((rule, finding.file, subject(finding), finding.model or "", finding.gpu or ""))
    return {
        "ruleId": rule,
        "ruleIndex": _ORDER.index(rule),
        "level": "warning" if mild else "error",
        "message": {"text": sentence(finding)},
        "locations": [{"physicalLocation": {"artifactLocation": artifact, "region": {"startLine": finding.line}}}],
        # the same however the lines above it move
        "partialFingerprints": {"server/v1": hashlib.sha256(identity.encode(errors="replace")).hexdigest()[:32]},
    }


def _uri(file: str) -> str:
    return f"file://{uri_of(file)}" if file.startswith("/") else uri_of(file)
