"""`vram models`: what is bundled."""

from __future__ import annotations

import json

from click.testing import CliRunner

from vram.cli import cli


def vram(*arguments: str) -> str:
    return CliRunner().invoke(cli, ["models", *arguments], catch_exceptions=False).output


def test_each_bundled_model_is_listed_once_with_its_facts_in_json() -> None:
    listed = vram().split()
    assert len(set(listed)) == len(listed) >= 40
    assert [entry["id"] for entry in json.loads(vram("--json"))] == listed


def test_a_search_keeps_ids_that_contain_it_and_says_when_none_does() -> None:
    assert set(vram("QWEN3-8b").split()) >= {"Qwen/Qwen3-8B", "Qwen/Qwen3-8B-FP8"}
    assert "No bundled model matches 'nobodys'" in vram("nobodys")
