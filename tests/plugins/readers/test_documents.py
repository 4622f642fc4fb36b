"""YAML and JSON with lines, and hostile ones in bounded time and one sentence."""

from __future__ import annotations

import time

import pytest

from vram.errors import CheckpointError
from vram_plugins.readers.documents import Block, Items, documents, number, truth

TEXT = """\
anchors: &shared {image: one, tag: a}
service:
  <<: *shared
  tag: b
  command: |
    first
    second
plain: 0.90
octal: 010
nothing: ~
custom: !Ref somewhere
list:
  - x
  - y
---
second: document
"""


def test_scalars_are_the_text_that_stands_there_and_know_their_line() -> None:
    first, second = documents("x.yaml", TEXT)
    assert (first["plain"], first["octal"], first["nothing"]) == ("0.90", "010", None)
    assert (first["plain"].line, first.block("service")["command"].line, first["list"][1].line) == (8, 6, 14)
    assert first.line_of("list") == 12
    assert second.text("second") == "document"
    assert second.line == 16


def test_a_merge_key_gives_what_is_not_there() -> None:
    service = documents("x.yaml", TEXT)[0].block("service")
    assert {key: service[key] for key in ("image", "tag")} == {"image": "one", "tag": "b"}


def test_a_tag_makes_no_object_and_a_value_of_its_own_is_unknown() -> None:
    assert documents("x.yaml", "a: !!python/object/apply:os.system [echo]") == ({"a": ["echo"]},)
    assert documents("x.yaml", TEXT)[0]["custom"] == "${somewhere}"


def test_json_with_tabs_is_read_too() -> None:
    assert documents("x.json", '{"a":\t["b", {"c": null}]}') == ({"a": ["b", {"c": None}]},)


def test_what_is_not_there_is_empty() -> None:
    block = documents("x.yaml", "a: {b: [1, {c: d}]}")[0]
    assert block.at("a", "x", "y") is None
    assert block.block("z") == {}
    assert block.blocks("a", "b") == [{"c": "d"}]
    assert block.text("a") is None


def test_truths_and_numbers_are_read_where_they_are_meant() -> None:
    assert [truth(word) for word in ("true", "Yes", "off", "1", None)] == [True, True, False, None, None]
    assert [number(word) for word in ("8", "8.0", "-1", None, "9" * 20)] == [8, None, None, None, None]


BOMB = "\n".join(["a0: &a0 [x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12))])
HOSTILE = {
    "a bomb of aliases": BOMB,
    "an alias inside itself": "a: &a [*a]",
    "an alias of nothing": "a: *b",
    "brackets": "[" * 100_000,
    "braces": "{ " * 100_000,
    "dashes": "- " * 50_000,
    "a tab": "\t- a: [",
    "an open quote": 'a: "' + "x" * 100_000,
    "more nodes than anybody writes": "- a: {b: [c, d]}\n" * 40_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_is_one_sentence_in_bounded_time(text: str) -> None:
    began = time.process_time()
    with pytest.raises(CheckpointError) as refused:
        documents("x.yaml", text)
    assert time.process_time() - began < 10
    assert str(refused.value).count(". ") == 0
    assert "xxxx" not in str(refused.value)


def test_a_megabyte_of_prose_is_read_at_once() -> None:
    began = time.process_time()
    assert documents("x.yaml", "word " * 200_000) == ()
    assert time.process_time() - began < 1


def test_a_template_is_no_yaml_and_values_with_templates_in_quotes_are() -> None:
    assert documents("x.yaml", "apiVersion: v1\nname: {{ .Values.name }}\n") == ()
    assert documents("x.yaml", 'apiVersion: v1\nname: "{{ .Values.name }}"\n') == ()
    assert documents("x.yaml", 'uri: "hf://{{ .Values.name }}"') == ({"uri": "hf://{{ .Values.name }}"},)


def test_types_are_mappings_and_lists() -> None:
    block = documents("x.yaml", "a: [b]")[0]
    assert isinstance(block, Block)
    assert isinstance(block["a"], Items)
