"""JSON of strangers: what is within the limits is read, what is one beyond is refused."""

from __future__ import annotations

import math

import pytest

from vram.checkpoint import json_text
from vram.checkpoint.json_text import parse_object

from .building import outcome


def said(data: bytes, limit: int | None = None) -> str:
    return outcome(lambda: parse_object(data, "x") if limit is None else parse_object(data, "x", limit=limit))


def test_an_object_is_read_with_a_byte_order_mark_and_numbers_that_json_lacks() -> None:
    found = parse_object(b'\xef\xbb\xbf{"a": [1, "\xc3\xa9"], "b": Infinity, "c": NaN}', "x")
    assert (found["a"], found["b"], math.isnan(found["c"])) == ([1, "é"], math.inf, True)  # type: ignore[arg-type]


def test_a_config_has_up_to_16_mib_and_an_index_up_to_100_mb() -> None:
    for limit, nbytes in ((json_text.MAX_CONFIG_BYTES, 16 * 2**20), (json_text.MAX_INDEX_BYTES, 100_000_000)):
        whole = b"{}" + b" " * (nbytes - 2)
        assert said(whole, limit) == "read"
        assert f"is larger than {nbytes:,} bytes" in said(whole + b" ", limit)


def test_lists_and_objects_are_up_to_300_000_together() -> None:
    def nested(count: int) -> bytes:
        return b'{"a":[' + b"{}," * (count - 2) + b"1]}"

    assert said(nested(300_000)) == "read"
    assert "more lists, objects and values" in said(nested(300_001))


def test_values_are_as_many_as_two_million_commas_part() -> None:
    def listed(commas: int) -> bytes:
        return b'{"a":[' + b"1," * commas + b"1]}"

    assert said(listed(2_000_000)) == "read"
    assert "more lists, objects and values" in said(listed(2_000_001))


@pytest.mark.parametrize(("opens", "closes"), [(b'{"a":', b"}"), (b"[", b"]")])
def test_what_is_inside_one_another_is_up_to_64_levels(opens: bytes, closes: bytes) -> None:
    def nested(levels: int) -> bytes:
        return b'{"a":' + opens * (levels - 1) + b"1" + closes * (levels - 1) + b"}"

    assert said(nested(64)) == "read"
    assert "is nested more than 64 levels deep" in said(nested(65))


def test_what_is_no_json_says_where() -> None:
    assert "is not valid JSON (Expecting ':' delimiter at line 2, column 5)" in said(b'{"a":1,\n"b" 2}')
    assert "must hold a JSON object, not list" in said(b"[]")
