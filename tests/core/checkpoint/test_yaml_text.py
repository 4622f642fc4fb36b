"""YAML of strangers is read in bounded time and memory, or refused in one sentence."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from vram.checkpoint.yaml_text import parse_yaml, read_yaml
from vram.errors import CheckpointError

from .building import outcome


def test_a_document_is_what_it_says() -> None:
    assert parse_yaml("a: [1, {b: 'c'}]\nd:\n- e\n", "x") == {"a": [1, {"b": "c"}], "d": ["e"]}


@pytest.mark.parametrize(("opens", "closes"), [("[", "]"), ("{a: ", "}")])
def test_what_is_inside_one_another_is_up_to_64_levels(opens: str, closes: str) -> None:
    assert outcome(lambda: parse_yaml(opens * 64 + closes * 64, "x")) == "read"
    assert "is nested more than 64 levels deep" in outcome(lambda: parse_yaml(opens * 65 + closes * 65, "x"))


def test_lists_beside_each_other_are_no_depth() -> None:
    assert len(parse_yaml("- [a]\n" * 200, "x")) == 200


def test_a_mebibyte_of_brackets_takes_no_time() -> None:
    begin = time.process_time()
    assert "nested more than" in outcome(lambda: parse_yaml("[" * 2**20, "x"))
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: [", "is not valid YAML in line 2"),
        ("a: \x00", "is not valid YAML"),
        ("a: 1\n---\nb: 1\n", "is not valid YAML in line 2"),
        ("a: &x [1]\nb: *x\n", "uses YAML aliases, which are not read"),
        ("a: !!python/object:os.system x", "is not valid YAML in line 1"),
    ],
)
def test_a_fault_is_one_sentence_with_its_line(text: str, problem: str) -> None:
    assert outcome(lambda: parse_yaml(text, "x")).startswith(f"x: {problem}")


def test_a_file_has_up_to_one_mebibyte_and_is_text(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_bytes(b"a: 1\n#".ljust(2**20))
    assert read_yaml(file) == {"a": 1}
    file.write_bytes(b"a: 1\n#".ljust(2**20 + 1))
    with pytest.raises(CheckpointError, match="more than any such file"):
        read_yaml(file)
    file.write_bytes(b"a: \xff")
    with pytest.raises(CheckpointError, match="is not text in UTF-8"):
        read_yaml(file)
