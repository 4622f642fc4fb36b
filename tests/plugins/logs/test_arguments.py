"""What is written in a log as Python's literals is read as Python reads it; nothing is evaluated."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vram_plugins.logs.arguments import engine_arguments, written_values

_texts = st.text(max_size=12) | st.sampled_from(["a, b", "it's", 'say "x"', "back\\slash", "(", "]}", "=", "'a': 1"])
_values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3) | st.tuples(inner, inner),
    max_leaves=8,
)
_names = st.from_regex(r"[a-z_]{1,12}", fullmatch=True)
_arguments = st.dictionaries(_names, _values, max_size=5)


@given(_arguments)
def test_a_mapping_is_read_as_it_was_printed(arguments: dict[str, Any]) -> None:
    assert written_values(repr(arguments)) == arguments
    assert written_values(f"  {arguments!r} and more") == arguments


@given(_arguments)
def test_a_call_is_read_as_it_was_printed(arguments: dict[str, Any]) -> None:
    inside = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    assert written_values(inside) == arguments
    assert written_values(f"({inside})") == arguments


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("torch.bfloat16", "bfloat16"), ("bfloat16", "bfloat16"), ("torch.half", "half"), ("fp8_e4m3", "fp8_e4m3"),
        ("a/b.d:e@f+g", "a/b.d:e@f+g"),
        ("Some(a=1, b='x')", {"a": 1, "b": "x"}), ("Some(a=Other(b=2))", {"a": {"b": 2}}), ("1e3", 1000.0), ("-1", -1), ("{}", {}),
        ("", None), ("None", None), ("<Kind.AUTO: 'auto'>", None), ("Some()", None), ("Some(1, 2)", None), ("a b", None), ("f(x", None),
        ("__import__('os')", None), ("[x for x in y]", None), ("9" * 5000, None),
    ],
)  # fmt: skip
def test_a_value_is_a_literal_a_word_or_a_call_with_names(text: str, value: object) -> None:
    assert written_values(f"x={text}").get("x") == value


def test_calls_are_read_three_deep() -> None:
    assert written_values("x=A(b=B(c=C(d=1)))") == {"x": {"b": {"c": {"d": 1}}}}
    assert written_values("x=A(b=B(c=C(e=2, d=D(f=1))))") == {"x": {"b": {"c": {"e": 2}}}}


def test_a_value_has_up_to_4096_signs_and_a_bare_word_up_to_400() -> None:
    for length, read in ((4096, True), (4097, False)):
        text = repr("v" * (length - 2))
        assert ("x" in written_values(f"x={text}")) == read
    for length, read in ((400, True), (401, False)):
        assert ("x" in written_values(f"x={'v' * length}")) == read


def test_a_name_has_up_to_80_letters_and_counts_where_it_stands_first() -> None:
    assert written_values(f"{'n' * 80}=1, {'m' * 81}=2") == {"n" * 80: 1}
    assert written_values("a=1, a=2, 'b': 3, \"c\": 4, 5, d:6") == {"a": 1, "b": 3, "c": 4}


def test_what_follows_the_closing_bracket_is_none_of_it() -> None:
    assert written_values("{'a': 1}, 'b': 2") == {"a": 1}
    assert written_values("a=1), b=2") == {"a": 1}
    assert written_values("a=1,b=2") == written_values("{'a':1,'b':2}") == {"a": 1, "b": 2}
    assert written_values("a=[1, (2, 3)], b={4: 5}") == {"a": [1, (2, 3)], "b": {4: 5}}
    assert written_values(r"a='x\', b=1', c=2") == {"a": "x', b=1", "c": 2}
    assert written_values("(a=1, b=')', c=2)") == {"a": 1, "b": ")", "c": 2}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"max_seq_len": 5, "kv_cache_memory": 6}, {"max_model_len": 5, "kv_cache_memory_bytes": 6}),
        ({"dtype": "torch.half", "kv_cache_dtype": "torch.fp8"}, {"dtype": "half", "kv_cache_dtype": "fp8"}),
        ({"max_num_seqs": None, "port": 8000, "enforce_eager": False}, {"enforce_eager": False}),
        ({"enforce_eager": 1, "dtype": 5, "hf_overrides": "a"}, {}),
        ({"max_num_seqs": "8", "gpu_memory_utilization": 2, "quantization": ["awq"]}, {}),
        ({"compilation_config": {"level": 0, "splitting_ops": []}}, {}),
        ({"compilation_config": {"level": 3}}, {"compilation_config": {"level": 3}}),
        ({"speculative_config": {"method": "mtp"}}, {}),
        ({"speculative_config": "x"}, {}),
        (
            {"speculative_config": {"num_spec_tokens": 2, "num_speculative_tokens": 3}},
            {"speculative_config": {"num_speculative_tokens": 3}},
        ),
    ],
)  # fmt: skip
def test_arguments_of_the_engine_are_those_that_are_possible(written: dict[str, Any], read: dict[str, Any]) -> None:
    assert engine_arguments(written) == read


def test_what_vllm_resolved_is_not_what_was_asked() -> None:
    written = {"quantization": "awq_marlin", "compilation_config": {"level": 3}, "dtype": "half"}
    assert engine_arguments(written, dumped=True) == {"dtype": "half"}
    assert engine_arguments(written) == written
