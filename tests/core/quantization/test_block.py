"""Typed access to a quantization block."""

from __future__ import annotations

import pytest

from vram.errors import QuantizationError
from vram.quantization.block import QuantizationBlock


def block(**raw: object) -> QuantizationBlock:
    return QuantizationBlock(raw=raw, method="test")


def test_null_counts_as_absent() -> None:
    assert block(bits=None).integer("bits", default=4) == 4
    assert not block(bits=None).has("bits")


def test_the_first_present_name_counts() -> None:
    assert block(bits=8).integer("w_bit", "bits") == 8


def test_whole_floats_are_integers() -> None:
    assert block(bits=4.0).integer("bits") == 4


@pytest.mark.parametrize("value", ["4", True, 4.5, float("inf"), float("nan"), [4], 0, -1, 10**40])
def test_anything_else_is_no_width(value: object) -> None:
    with pytest.raises(QuantizationError, match="'bits'"):
        block(bits=value).integer("bits")


@pytest.mark.parametrize("value", [0, -2, "128"])
def test_group_sizes_are_positive_or_minus_one(value: object) -> None:
    with pytest.raises(QuantizationError, match="group_size"):
        block(group_size=value).group_size("group_size")
    assert block(group_size=-1).group_size("group_size") == -1


def test_lists_of_lists_of_names_are_flattened() -> None:
    assert block(names=[["a", "b"], ["c"]]).names("names") == ("a", "b", "c")


def test_an_empty_list_gives_way_to_the_next_name() -> None:
    assert block(ignored_layers=[], modules_to_not_convert=["lm_head"]).names(
        "ignored_layers", "modules_to_not_convert"
    ) == ("lm_head",)


def test_errors_name_the_section() -> None:
    inner = block(weights={"num_bits": "x"}).sub("weights")
    assert inner is not None
    with pytest.raises(QuantizationError, match=r"weights\.num_bits"):
        inner.integer("num_bits")


def test_a_value_without_a_repr_is_still_named() -> None:
    class Hostile:
        def __repr__(self) -> str:
            raise RuntimeError

    with pytest.raises(QuantizationError, match="Hostile"):
        block(bits=Hostile()).integer("bits")
