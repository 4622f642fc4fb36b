"""Variables as Kubernetes, compose and shells put them in. Expected values: their own documentation, by hand."""

from __future__ import annotations

import time

import pytest

from vram_plugins.readers.expand import in_kubernetes, in_shell, literal, plain, unset_in

GIVEN = {"A": "a", "EMPTY": "", "N": "8"}


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("$A/${A}", "a/a"),
        ("${X:-d}${EMPTY:-e}${EMPTY-f}", "de"),
        ("${X:-${Y:-${A}}}", "a"),
        ("${A:+--flag}${X:+--flag}${EMPTY:+--flag}${EMPTY+--set}", "--flag--set"),
        ("${X}", "${X}"),
        ("${X?say why}", "${X}"),
        ("${A:?say why}", "a"),
        ("100$", "100$"),
        ("${A", "${A"),
    ],
)
def test_a_shells_variables(word: str, expected: str) -> None:
    assert in_shell(word, GIVEN) == expected


def test_compose_doubles_the_dollar_that_it_means() -> None:
    word = in_shell("$$A ${A}", GIVEN, doubled=True)
    assert unset_in(word) is None
    assert plain(word) == "$A a"


def test_kubernetes_puts_in_what_is_set_and_leaves_the_rest() -> None:
    word = in_kubernetes("$(A) $(X) $$(A)", GIVEN)
    assert plain(word) == "a $(X) $(A)"
    assert unset_in(word) == "$(X)"


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("--model=$(MODEL)", "$(MODEL)"),
        ("${REVISION:+--revision}", "${REVISION:+--revision}"),
        ("$MODEL", "$MODEL"),
        ("{{ model }}", "{{ model }}"),
        ("<your model>", "<your model>"),
        ("YOUR_MODEL_NAME", "YOUR_MODEL_NAME"),
        ("Qwen/Qwen3-8B", None),
        ('{"a": {"b": 1}}', None),
        ("/models/{{ x }}", None),
    ],
)
def test_what_nothing_fills_is_found(word: str, found: str | None) -> None:
    assert unset_in(word) == found


def test_a_dollar_in_quotes_is_a_dollar() -> None:
    assert unset_in(literal("$HOME")) is None
    assert plain(literal("$HOME")) == "$HOME"


def test_nested_braces_take_linear_time() -> None:
    began = time.process_time()
    in_shell("${A:-" * 20_000, {})
    unset_in("$(" * 200_000)
    unset_in("${" * 200_000)
    assert time.process_time() - began < 3


def test_a_word_of_variables_that_double_stays_bounded() -> None:
    environment = {"A": "x" * 1000}
    for _ in range(200):
        environment["A"] = in_shell("$A${A}", environment)
    assert len(environment["A"]) < 1 << 18
