"""Which names a list of entries means."""

from __future__ import annotations

import re
import time
from fnmatch import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vram.errors import QuantizationError
from vram.quantization.names import NameSet, rename, renamed


def names(*entries: str, **kinds: bool) -> NameSet:
    return NameSet(entries, method="test", **kinds)


def test_exact_entries_match_whole_names_alone() -> None:
    listed = names("lm_head", "model.layers.1.mlp.gate")

    assert listed.matches("model.layers.1.mlp.gate")
    assert not listed.matches("model.layers.11.mlp.gate")
    assert not listed.matches("model.layers.1.mlp.gate_proj")


def test_substrings_match_anywhere_even_within_numbers() -> None:
    # vLLM's AWQ list is compared with `in`: "layers.1" is also in "layers.11"
    assert names("layers.1", substring=True).matches("model.layers.11.mlp.down_proj")
    assert names("visual", substring=True).matches("model.visual.blocks.0.attn.qkv")


def test_suffixes_match_at_component_boundaries() -> None:
    listed = names("b_proj", suffix=True)

    assert listed.matches("model.layers.0.self_attn.b_proj")
    assert not listed.matches("model.layers.0.self_attn.q_b_proj")


def test_regular_expressions_match_from_the_start() -> None:
    listed = names("re:.*mlp\\.gate$", "re:visual", regex=True)

    assert listed.matches("model.layers.3.mlp.gate")
    assert not listed.matches("model.layers.3.mlp.gate_up_proj")
    assert not listed.matches("model.visual.merger")


def test_digit_free_expressions_still_count_digits() -> None:
    listed = names("re:model\\.layers\\.\\d\\.mlp", regex=True)

    assert listed.matches("model.layers.7.mlp")
    assert not listed.matches("model.layers.17.mlp")


def test_back_references_are_not_decided_by_template() -> None:
    listed = names("re:a\\.(?P<n>\\d+)\\.b\\.(?P=n)$", regex=True)

    assert listed.matches("a.3.b.3")
    assert not listed.matches("a.3.b.4")


def test_the_first_entry_of_the_list_wins() -> None:
    listed = names("re:.*proj", "model.q_proj", "re:model.*", regex=True)

    assert listed.first("model.q_proj") == "re:.*proj"
    assert listed.first("model.norm") == "re:model.*"
    assert listed.first("visual.norm") is None


@pytest.mark.parametrize("pattern", ["re:(", "re:*", "re:a{3,1}", "re:" + "a" * 5000])
def test_a_broken_expression_is_the_blocks_fault(pattern: str) -> None:
    with pytest.raises(QuantizationError):
        names(pattern, regex=True)


def test_prefixes_are_renamed_in_order_and_expressions_left_alone() -> None:
    renames = (("model.language_model.", "language_model.model."), ("model.visual.", "visual."))

    assert rename("model.language_model.layers.0.mlp", renames) == "language_model.model.layers.0.mlp"
    assert renamed(["model.visual.x", "lm_head", "re:model.visual.*"], renames) == (
        "visual.x",
        "lm_head",
        "re:model.visual.*",
    )


_PIECES = st.sampled_from(
    ["model", "layers", "0", "1", "10", "mlp", "gate", "*", "q_proj", "?", "[01]", "visual*", "1?"]
)
_NAMES = st.lists(
    st.sampled_from(["model", "layers", "0", "1", "10", "11", "mlp", "gate", "q_proj", "visual"]),
    min_size=1,
    max_size=6,
)


@given(
    entries=st.lists(st.lists(_PIECES, min_size=1, max_size=5).map(".".join), max_size=6),
    asked=st.lists(_NAMES.map(".".join), max_size=8),
)
def test_the_index_answers_like_trying_every_wildcard(entries: list[str], asked: list[str]) -> None:
    listed = names(*entries, wildcard=True)

    for name in asked:
        expected = next((e for e in entries if e == name or (re.search(r"[*?\[]", e) and fnmatch(name, e))), None)
        assert listed.first(name) == expected


@given(entries=st.lists(_NAMES.map(".".join), max_size=6), asked=st.lists(_NAMES.map(".".join), max_size=8))
def test_the_index_answers_like_trying_every_substring(entries: list[str], asked: list[str]) -> None:
    listed = names(*entries, substring=True)

    for name in asked:
        assert listed.matches(name) == any(entry in name for entry in entries)


def test_ten_thousand_names_against_a_list_for_every_layer_stay_cheap() -> None:
    # 100 layers with 40 exact names and 10 wildcards each, every module of the model asked
    entries = [f"model.layers.{i}.mlp.experts.{e}.up_proj" for i in range(100) for e in range(40)]
    entries += [f"model.layers.{i}.part{p}*" for i in range(100) for p in range(10)]
    listed = names(*entries, wildcard=True)

    began = time.perf_counter()
    for i in range(100):
        for p in range(100):
            assert listed.matches(f"model.layers.{i}.part{p}.weight") == (str(p)[0] in "123456789" or p == 0)
    assert time.perf_counter() - began < 1.0
