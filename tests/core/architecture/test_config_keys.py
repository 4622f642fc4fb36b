"""Keys of JSON arguments against the config classes of every release's sources (`releases.json`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vram.architecture.config_keys import REFUSED_SINCE, refused_keys
from vram.vllm.versions import Version

RELEASES = json.loads((Path(__file__).parents[2] / "conformance/releases.json").read_text())
ARGUMENTS = ("compilation_config", "speculative_config", "eplb_config")


def release(text: str) -> Version:
    major, minor, patch = map(int, text.split(".")[:3])
    return major, minor, patch


VERSIONS = [release(one) for one in RELEASES["releases"] if one.count(".") == 2 and release(one) >= REFUSED_SINCE]
STATED = {
    fact.removeprefix("key "): [(release(first), release(last)) for first, last in stretches]
    for fact, stretches in RELEASES["facts"].items()
    if fact.startswith("key ")
}


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: ".".join(map(str, version)))
def test_a_key_is_taken_in_the_releases_whose_configs_have_it(version: Version) -> None:
    for argument in ARGUMENTS:
        every = {one.partition(".")[2] for one in STATED if one.startswith(argument)}
        there = {
            one.partition(".")[2]
            for one, stretches in STATED.items()
            if one.startswith(argument) and any(first <= version <= last for first, last in stretches)
        }
        if there:
            refused = {
                key for key, said in refused_keys(argument, dict.fromkeys(every), version) if "unexpected" in said
            }
            assert refused == every - there


def test_a_misspelt_key_is_named_with_what_may_be_meant() -> None:
    (found,) = refused_keys("compilation_config", {"cudagraph_capture_size": [1]}, (0, 33, 0))
    assert found == (
        "cudagraph_capture_size",
        "is an unexpected keyword argument; did you mean cudagraph_capture_sizes?",
    )


def test_before_0_9_some_of_these_configs_took_any_key() -> None:
    assert [*refused_keys("compilation_config", {"such": 1}, (0, 8, 5))] == []


@pytest.mark.parametrize(
    ("argument", "key", "value", "said"),
    [
        ("compilation_config", "pass_config", True, "must be a mapping"),
        ("compilation_config", "custom_ops", "all", "must be a list"),
        ("compilation_config", "max_cudagraph_capture_size", float("nan"), "must be a whole number"),
        ("eplb_config", "num_redundant_experts", [], "must be a whole number"),
        ("eplb_config", "window_size", 1.5, "must be a whole number"),
        ("eplb_config", "use_async", {}, "must be true or false"),
        ("speculative_config", "disable_padded_drafter_batch", "perhaps", "must be true or false"),
        ("speculative_config", "draft_load_config", 1, "must be a mapping"),
        ("speculative_config", "code_revision", 5, "must be text"),
    ],
)
def test_a_value_of_another_kind_is_refused_as_vllms_config_refuses_it(
    argument: str, key: str, value: object, said: str
) -> None:
    assert [*refused_keys(argument, {key: value}, (0, 33, 0))] == [(key, said)]


@pytest.mark.parametrize(
    ("argument", "key", "value"),
    [
        ("compilation_config", "cudagraph_capture_sizes", None),
        ("compilation_config", "splitting_ops", ()),
        ("eplb_config", "window_size", "1000"),  # pydantic reads numbers in text
        ("eplb_config", "use_async", 1),
        ("speculative_config", "parallel_drafting", "yes"),
    ],
)
def test_what_pydantic_takes_is_taken(argument: str, key: str, value: object) -> None:
    assert [*refused_keys(argument, {key: value}, (0, 33, 0))] == []
