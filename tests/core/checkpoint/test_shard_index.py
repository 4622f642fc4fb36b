"""Indexes of sharded checkpoints, and which shards are missing by the numbers of the others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vram.checkpoint.shard_index import ShardIndex, listing, missing_siblings, names_hash, parse_index

from .building import outcome


def parsed(weight_map: object, metadata: object = None) -> ShardIndex:
    return parse_index(json.dumps({"weight_map": weight_map, "metadata": metadata}).encode(), "x")


def test_files_are_named_once_and_in_order_and_tensors_counted() -> None:
    found = parsed({"a": "2.safetensors", "b": "1.safetensors", "c": "2.safetensors"})
    assert (found.files, found.tensors) == (("1.safetensors", "2.safetensors"), 3)
    assert (found.total_bytes, found.parameters) == (None, None)
    assert found.names_hash == names_hash(["c", "a", "b"]) != names_hash(["a", "b", "d"])


@pytest.mark.parametrize(
    ("stated", "counted"),
    [
        (1, 1), (28.0, 28), (2**60 - 1, 2**60 - 1), (2**60, None), (0, None), (-1, None), (1.5, None), (True, None), ("28", None),
        (None, None), ([], None), (1e300, None),
    ],
)  # fmt: skip
def test_a_total_is_a_whole_number_below_two_to_the_60_or_none(stated: object, counted: int | None) -> None:
    found = parsed({"a": "a"}, {"total_size": stated, "total_parameters": 7})
    assert (found.total_bytes, found.parameters) == (counted, 7)
    assert parsed({"a": "a"}, {"total_parameters": stated}).parameters == counted


@pytest.mark.parametrize("weight_map", [None, {}, [], ["a"], "a", 5])
def test_an_index_maps_tensors_to_files(weight_map: object) -> None:
    assert "has no weight_map" in outcome(lambda: parsed(weight_map))
    assert "names a shard that is no text" in outcome(
        lambda: parsed({"a": weight_map}) if weight_map != "a" else parsed({"a": 1})
    )


def test_metadata_of_another_kind_states_nothing() -> None:
    assert parsed({"a": "a"}, ["total_size", 5]).total_bytes is None


def test_an_index_names_up_to_ten_thousand_files() -> None:
    assert len(parsed({str(n): f"{n}.safetensors" for n in range(10_000)}).files) == 10_000
    assert "names 10,001 shards" in outcome(lambda: parsed({str(n): f"{n}.safetensors" for n in range(10_001)}))


def test_a_shard_may_lie_in_a_folder_below() -> None:
    assert parsed({"a": "part/one.safetensors", "b": "..a/b..c"}).files == ("..a/b..c", "part/one.safetensors")


@pytest.mark.parametrize("name", ["../a", "/a", "a/../b", "..", "", "a\\b", "c:/a", "a\0b", ".", "./a", "a//b", "a/"])
def test_a_shard_never_lies_elsewhere(name: str) -> None:
    assert f"names the shard {name!r}, which leads out of its folder" in outcome(lambda: parsed({"a": name}))


def test_a_long_name_is_shown_by_its_first_eighty_letters() -> None:
    assert f"names the shard {'/' + 'n' * 79!r}, which" in outcome(lambda: parsed({"a": "/" + "n" * 200}))


@given(st.integers(1, 30), st.data())
def test_of_numbered_shards_those_that_are_not_there_are_missing(count: int, data: st.DataObject) -> None:
    every = [f"model-{n:05}-of-{count:05}.safetensors" for n in range(1, count + 1)]
    here = data.draw(st.sets(st.sampled_from(every), min_size=1))
    assert missing_siblings([*here, "config.json"]) == tuple(one for one in every if one not in here)


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        (["00001-of-00002.gguf"], ("00002-of-00002.gguf",)),
        (["a-00002-of-00002.bin", "b-00001-of-00001.bin"], ("a-00001-of-00002.bin",)),
        (["model-00001-of-00000.safetensors", "model-1-of-2.safetensors", "model.safetensors"], ()),
        (["model-00001-of-10001.safetensors"], ()),  # no checkpoint has so many: its name means something else
    ],
)
def test_siblings_share_stem_number_and_ending(names: list[str], missing: tuple[str, ...]) -> None:
    assert missing_siblings(names) == missing


def test_ten_thousand_siblings_are_the_most() -> None:
    assert len(missing_siblings(["m-00001-of-10000.bin"])) == 9_999


def test_a_long_list_is_told_by_its_first_four() -> None:
    assert listing(("a", "b", "c", "d")) == "a, b, c, d"
    assert listing(("a", "b", "c", "d", "e", "f")) == "a, b, c, d and 2 more"
    assert listing(("a", "b", "c"), shown=1) == "a and 2 more"
