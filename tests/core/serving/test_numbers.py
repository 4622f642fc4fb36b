"""Whole numbers as `vllm serve` takes them; expected values are those of vLLM 0.33.0's `human_readable_int`."""

from __future__ import annotations

import json

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
