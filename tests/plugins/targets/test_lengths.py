"""Lengths of requests from files as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from vram.errors import InputError
from vram.models.targets import Lengths
from vram_plugins.targets.lengths import read_lengths

ALIKE = {
    "names": ("a.csv", "prompt_tokens,gen_tokens\n100,10\n300,30\n"),
    "no names": ("a.csv", "100,10\n300,30\n"),
    "Azure's trace": ("a.csv", "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:46.6805900,100,10\n2023-11-16 18:15:50,300,30\n"),
    "BurstGPT": ("a.csv", "Timestamp,Model,Request tokens,Response tokens,Total tokens\n5,a,100,10,110\n45,b,300,30,330\n"),
    "lines of JSON": ("a.jsonl", '{"prompt_tokens": 100, "gen_tokens": 10}\n\n{"prompt_tokens": 300, "gen_tokens": 30}\n'),
    "usage of an API": (
        "a.jsonl", "".join(f'{{"usage": {{"prompt_tokens": {n}, "completion_tokens": {n // 10}}}}}\n' for n in (100, 300)),
    ),
    "pairs in JSON": ("a.json", "[[100, 10], [300, 30]]"),
    "without an answer": ("a.csv", "input_len,output_len\n100,10\n300,30\n7,0\n"),
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), ALIKE.values(), ids=ALIKE)
def test_every_spelling_of_a_file_is_read_alike(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    found = read_lengths(tmp_path / name)

    assert (found.prompt_tokens, found.gen_tokens, found.longest, found.requests) == (200, 20, 330, 2)
    assert (found.prompt_p50, found.prompt_p95, found.deviation) == (100, 300, 110.0)  # totals 110 and 330
    assert found.source == name


def test_pairs_need_no_file() -> None:
    found = read_lengths([(n, 1) for n in range(1, 101)])
    assert (found.prompt_p50, found.prompt_p95, found.longest) == (50, 95, 101)
    assert isinstance(found, Lengths)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("a.csv", "a,b,c\n1,2,3\n", "must have the columns"),
        ("a.csv", "prompt_tokens,gen_tokens\n1,x\n", "line 2 is no pair of whole numbers"),
        ("a.csv", "prompt_tokens,gen_tokens\n1\n", "line 2 is no pair"),
        ("a.csv", "prompt_tokens,gen_tokens\n9999999999,1\n", "line 2 has a number of tokens that is not from 0"),
        ("a.csv", "", "has no request"),
        ("a.jsonl", "{", "no JSON"),
        ("a.jsonl", '{"secret": "s3cret"}\n', "line 1 has no prompt_tokens"),
        ("a.jsonl", "7\n", "line 1 is no pair"),
    ],
)
def test_what_is_no_list_of_lengths_is_refused_without_its_content(
    tmp_path: Path, name: str, text: str, problem: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=problem) as refused:
        read_lengths(tmp_path / name)
    assert "s3cret" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read_lengths(tmp_path / "none.csv")
