"""Every form of the same findings: valid by its own rules, whatever names and problems hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import click
import jsonschema
import pytest

from vram_plugins.check.checking import check
from vram_plugins.check.formats import github, json_text, junit, sarif, text
from vram_plugins.check.records import Checked, Finding

NAUGHTY = "a\nb,c:d%0A::error::</failure>&\"'\x1b[31m\x07]]>\udcff ünï"


@pytest.fixture
def mixed(repository: Callable[..., Path]) -> Checked:
    """One of each kind, in two files."""
    repository(
        "chat.serve",
        {"name": "good", "words": "Qwen/Qwen3-8B --max-model-len 8192", "gpu": "H100", "gpus": 2},
        {"name": "bad", "words": "Qwen/Qwen3-32B", "gpu": "L4"},
        {"name": "other", "status": "not_vllm", "problem": "runs SGLang"},
    )
    repository("more/odd.serve", {"name": "odd", "status": "not_understood", "problem": "its model is ${MODEL}"})
    return check(["."])


def naughty(**facts: Any) -> Checked:
    """A finding whose every text is hostile."""
    finding = Finding(
        **{
            "file": f"{NAUGHTY}.yaml", "line": 3, "server": NAUGHTY, "kind": NAUGHTY, "model": NAUGHTY, "gpu": NAUGHTY,
            "status": "does_not_start", "problem": NAUGHTY, "change": NAUGHTY, "left_out": (NAUGHTY,), "assumed": (NAUGHTY,), **facts,
        }
    )  # fmt: skip
    return Checked(findings=(finding,), files=1)


@pytest.mark.parametrize("width", [24, 40, 80, 200])
def test_text_keeps_to_the_width_it_is_given(mixed: Checked, width: int) -> None:
    for line in click.unstyle(text.written(mixed, width=width)).splitlines():
        assert len(line) <= width, line


def test_text_is_one_line_for_each_server_and_what_is_wrong_stands_below(mixed: Checked) -> None:
    lines = click.unstyle(text.written(mixed, width=240)).splitlines()
    assert lines[0] == "chat.serve"
    assert lines[1] == "  ✓ 1  starts and fits  good: Qwen/Qwen3-8B on H100 80GB SXM, vLLM 0.33.0"
    assert lines[2].startswith("                        assumed: 2 GPUs are given and 1 used")
    assert lines[3] == "  ✗ 2  does not start   bad: Qwen/Qwen3-32B on L4, vLLM 0.33.0"
    assert lines[4].startswith("                        CUDA out of memory while loading: weights take 61.03 GiB")
    assert lines[5].startswith("                        change: --")
    assert lines[6] == "  · 3  not vLLM         other: runs SGLang"
    assert lines[-1] == (
        "4 servers in 2 of 2 files: 1 does not start, 1 not understood, 1 starts and fits, 1 not vLLM."
    )


def test_text_below_one_another_where_it_is_narrow(mixed: Checked) -> None:
    lines = click.unstyle(text.written(mixed, width=40)).splitlines()
    assert lines[1:4] == [
        "  ✓ 1  starts and fits",
        "       good: Qwen/Qwen3-8B on H100 80GB",
        "       SXM, vLLM 0.33.0",
    ]


def test_what_many_servers_share_is_said_once(repository: Callable[..., Path]) -> None:
    repository("x.serve", *({"name": f"n{n}", "words": "Qwen/Qwen3-8B --max-model-len 8192"} for n in range(3)))
    told = text.written(check(["."], gpu=["H100"]), width=100)
    assert told.count("the newest that is known") == 1
    assert "assumed for 3 servers: vLLM 0.33.0, the newest that is known" in click.unstyle(told)
    without = click.unstyle(text.written(check(["."]), width=100))
    assert without.endswith('3 servers state no GPU: say which one they get, as in --gpu H100 or --gpu "2 x L40S".\n')


def test_text_without_a_server_says_so() -> None:
    assert text.written(Checked(findings=(), files=3)) == "No vLLM server in 3 files.\n"


def test_hostile_names_command_no_terminal() -> None:
    plain = click.unstyle(text.written(naughty(), width=100))
    assert "\x1b" not in plain
    assert "\x07" not in plain
    plain.encode()


def test_json_is_the_contract(mixed: Checked) -> None:
    told = json.loads(json_text.written(mixed))
    assert [one["status"] for one in told] == ["starts", "does_not_start", "not_vllm", "not_understood"]
    assert told[0]["estimate"]["verdict"]["fits"] is True
    assert told[2]["estimate"] is None
    assert json_text.written(Checked(findings=(), files=0)) == "[]\n"
    assert json.loads(json_text.written(naughty()))[0]["server"] == NAUGHTY


def test_json_is_valid_by_its_schema(mixed: Checked) -> None:
    from vram_plugins.check.schema import check_schema

    jsonschema.Draft202012Validator.check_schema(check_schema())
    jsonschema.validate(json.loads(json_text.written(mixed)), check_schema())
    jsonschema.validate(json.loads(json_text.written(naughty())), check_schema())


def test_github_annotates_what_does_not_pass(mixed: Checked) -> None:
    lines = github.written(mixed).splitlines()
    assert [line.partition(",title")[0] for line in lines[:-1]] == [
        "::error file=chat.serve,line=2",
        "::error file=more/odd.serve,line=1",
    ]
    assert lines[-1].startswith("4 servers in 2 of 2 files")
    assert github.written(mixed, allow_unknown=True).splitlines()[1].startswith("::warning file=more/odd.serve")


def test_a_hostile_name_is_no_other_annotation() -> None:
    lines = github.written(naughty()).splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"::error file=[^:,]*,line=3,title=[^:,]*::.*", lines[0])
    assert "a%0Ab%2Cc%3Ad%250A" in lines[0]
    lines[0].encode()


#: the required parts of SARIF 2.1.0's schema (OASIS, sections 3.13 to 3.30) for what is written here
SARIF: dict[str, Any] = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "items": {
            "type": "object",
            "required": ["tool"],
            "properties": {
                "tool": {"required": ["driver"], "properties": {"driver": {
                    "required": ["name"],
                    "properties": {"rules": {"type": "array", "uniqueItems": True, "items": {
                        "required": ["id"],
                        "properties": {
                            "shortDescription": {"required": ["text"]},
                            "defaultConfiguration": {"properties": {"level": {"enum": ["none", "note", "warning", "error"]}}},
                        },
                    }}},
                }}},
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "invocations": {"items": {"required": ["executionSuccessful"], "properties": {
                    "toolExecutionNotifications": {"items": {"required": ["message"]}}}}},
                "results": {"type": "array", "items": {
                    "required": ["message"],
                    "properties": {
                        "ruleIndex": {"type": "integer", "minimum": -1},
                        "level": {"enum": ["none", "note", "warning", "error"]},
                        "message": {"required": ["text"], "properties": {"text": {"type": "string"}}},
                        "partialFingerprints": {"additionalProperties": {"type": "string"}},
                        "locations": {"minItems": 1, "items": {"required": ["physicalLocation"], "properties": {
                            "physicalLocation": {
                                "required": ["artifactLocation", "region"],
                                "properties": {
                                    "artifactLocation": {"required": ["uri"], "properties": {
                                        "uri": {"type": "string", "pattern": r"^[A-Za-z0-9/@!$&'()*+,;=~._%:-]+$"}}},
                                    "region": {"required": ["startLine"], "properties": {"startLine": {"minimum": 1}}},
                                },
                            }}}},
                    },
                }},
            },
        }},
    },
}  # fmt: skip


def test_sarif_is_valid_and_points_into_the_repository(mixed: Checked) -> None:
    told = json.loads(sarif.written(mixed))
    jsonschema.validate(told, SARIF)
    (run,) = told["runs"]
    places = [one["locations"][0]["physicalLocation"] for one in run["results"]]
    assert [(place["artifactLocation"], place["region"]["startLine"]) for place in places] == [
        ({"uri": "chat.serve", "uriBaseId": "%SRCROOT%"}, 2),
        ({"uri": "more/odd.serve", "uriBaseId": "%SRCROOT%"}, 1),
    ]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [(one["ruleId"], one["level"]) for one in run["results"]] == [
        ("does-not-start", "error"),
        ("not-understood", "error"),
    ]
    assert all(rules[one["ruleIndex"]] == one["ruleId"] for one in run["results"])


def test_sarif_knows_a_server_again_when_lines_above_it_move(repository: Callable[..., Path]) -> None:
    bad = {"name": "bad", "words": "Qwen/Qwen3-32B", "gpu": "L4"}
    prints = []
    for servers in ((bad,), ({"name": "other", "status": "not_vllm", "problem": "runs SGLang"}, bad)):
        repository("x.serve", *servers)
        (result,) = json.loads(sarif.written(check(["."])))["runs"][0]["results"]
        prints.append(result["partialFingerprints"])
    assert prints[0] == prints[1]


def test_sarif_of_hostile_names_is_valid() -> None:
    for file in (f"{NAUGHTY}.yaml", f"/{NAUGHTY}.yaml", "a b/c#d?.yaml"):
        told = json.loads(sarif.written(naughty(file=file)))
        jsonschema.validate(told, SARIF)


def test_junit_counts_failures_errors_and_what_is_skipped(mixed: Checked) -> None:
    root = ElementTree.fromstring(junit.written(mixed).encode())
    assert root.attrib == {"name": "vram check", "tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    assert [suite.get("name") for suite in root] == ["chat.serve", "more/odd.serve"]
    cases = list(root.iter("testcase"))
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], ["skipped"], ["error"]]
    assert cases[1].get("line") == "2"
    lenient = ElementTree.fromstring(junit.written(mixed, allow_unknown=True).encode())
    assert (lenient.get("errors"), lenient.get("skipped")) == ("0", "2")


def test_junit_is_what_gitlab_reads(repository: Callable[..., Path]) -> None:
    """lib/gitlab/ci/parsers/test/junit.rb: of a suite its name, of a case classname, name, file and the *content* of failure, error or
    skipped; cases of a suite are told apart by classname and name.
    """
    bad = {"line": 1, "name": "bad", "words": "Qwen/Qwen3-32B", "gpu": "L4"}
    repository(
        "x.serve", bad, {**bad, "words": "Qwen/Qwen3-32B --port 1"}, {"status": "not_understood", "problem": "is odd"}
    )
    (suite,) = ElementTree.fromstring(junit.written(check(["."])).encode())
    assert suite.get("name") == "x.serve"
    cases = list(suite)
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == 3
    for case in cases:
        assert case.get("file") == "x.serve"
        assert [outcome.tag for outcome in case] in (["failure"], ["error"])
        assert str(case[0].text) == case[0].get("message")
    assert "CUDA out of memory while loading" in str(cases[0][0].text)


def test_junit_of_hostile_names_is_xml() -> None:
    root = ElementTree.fromstring(junit.written(naughty()).encode())
    (failure,) = root.iter("failure")
    assert "</failure>" in str(failure.text)
