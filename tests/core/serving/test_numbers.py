"""Whole numbers as `vllm serve` takes them; expected values are those of vLLM 0.33.0's `human_readable_int`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vram.errors import InputError
from vram.serving.numbers import expand_counts, parse_count


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2k", 2000),
        ("2K", 2048),
        ("25.6k", 25600),
        ("1.5m", 1_500_000),
        ("1M", 1_048_576),
        (" 32768 ", 32768),
        ("-1", -1),
    ],
)
def test_small_letters_are_decimal_and_capitals_binary(text: str, value: int) -> None:
    assert parse_count("max_num_batched_tokens", text) == value


UNITS = [
    *zip("kmgt", (1000**n for n in range(1, 5)), strict=True),
    *zip("KMGT", (1024**n for n in range(1, 5)), strict=True),
]


@pytest.mark.parametrize(("letter", "unit"), UNITS)
def test_every_letter_stands_for_a_power_of_1000_or_of_1024(letter: str, unit: int) -> None:
    assert parse_count("kv_cache_memory_bytes", f"3{letter}") == 3 * unit
    assert expand_counts(f"[12{letter}]") == f"[{12 * unit}]"
    if letter.islower():
        assert parse_count("kv_cache_memory_bytes", f"0.25{letter}") == unit // 4


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("-1", -1), (str(2**50), 2**50), ("1024T", 2**50), ("000", 0)])
def test_counts_go_from_minus_one_to_two_to_the_50(text: str, value: int) -> None:
    assert parse_count("max_num_batched_tokens", text) == value


@pytest.mark.parametrize("text", ["-2", str(2**50 + 1), "1025T"])
def test_and_no_further(text: str) -> None:
    with pytest.raises(InputError, match="is not a possible number"):
        parse_count("max_num_batched_tokens", text)


def test_letters_are_for_lengths_and_bytes_of_the_engine_and_for_what_is_none_of_its_arguments() -> None:
    """vLLM 0.33.0 `engine/arg_utils.py` has `human_readable_int` for these three."""
    for name in ("max_model_len", "max_num_batched_tokens", "kv_cache_memory_bytes", "max_log_len"):
        assert parse_count(name, "2K") == 2048
        with pytest.raises(InputError, match=r"is not a number such as 32768, 25\.6k or 32K"):
            parse_count(name, "many")
    with pytest.raises(InputError, match=r"is not a number such as 32768\Z|such as 32768[^,]"):
        parse_count("max_num_seqs", "2K")
    assert parse_count("max_num_seqs", "256") == 256


def test_letters_inside_words_and_other_numbers_stay() -> None:
    assert expand_counts("[2kx, x2k, 1.2.3k, _5k, 7K8, 6m]") == "[2kx, x2k, 1.2.3k, _5k, 7K8, 6000000]"


@pytest.mark.parametrize("text", ["1.5K", "1.5", "k", "2kk", "1e3", "-2", "auto", ""])
def test_what_vllm_does_not_take_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_count("max_num_batched_tokens", text)


@pytest.mark.parametrize("text", ["auto", "AUTO", " Auto "])
def test_auto_is_a_length_in_any_case(text: str) -> None:
    assert parse_count("max_model_len", text) == -1


def test_bare_numbers_inside_json_have_letters_too() -> None:
    text = '{"max_model_len": 2k, "sizes": [1.5k,4K], "model": "org/m-2k \\"8K\\"", "factor": 4.0}'

    expected = {"max_model_len": 2000, "sizes": [1500, 4096], "model": 'org/m-2k "8K"', "factor": 4.0}
    assert json.loads(expand_counts(text)) == expected


def test_a_binary_fraction_inside_json_stays_and_is_no_json() -> None:
    assert expand_counts('{"a": 1.5K}') == '{"a": 1.5K}'


#: vLLM 0.33, tests/engine/test_arg_utils.py::test_expand_json_human_readable_numbers
EXPANDED: list[tuple[str, dict[str, Any]]] = [
    ('{"x": 80g}', {"x": 80000000000}),
    ('{"x": 1k}', {"x": 1000}),
    ('{"x": 5m}', {"x": 5000000}),
    ('{"x": 2t}', {"x": 2000000000000}),
    ('{"x": 1K}', {"x": 1024}),
    ('{"x": 1G}', {"x": 1073741824}),
    ('{"x": 1.5g}', {"x": 1500000000}),
    ('{"my_key": 80g}', {"my_key": 80000000000}),
    ('{"name": "80g"}', {"name": "80g"}),
    ('{"model_name": "foo_bar"}', {"model_name": "foo_bar"}),
    ('{"a": 1k, "b": 2m}', {"a": 1000, "b": 2000000}),
    ('{"x": 42}', {"x": 42}),
    ('{"outer": {"inner": 10g}}', {"outer": {"inner": 10000000000}}),
]


@pytest.mark.parametrize(("text", "expected"), EXPANDED, ids=[text for text, _ in EXPANDED])
def test_bare_numbers_of_json_lose_their_letters_as_vllms_own_test_expects(text: str, expected: dict[str, Any]) -> None:
    assert json.loads(expand_counts(text)) == expected
