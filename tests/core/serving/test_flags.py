"""Which flag a word spells by release, and what is said of one that is none; expected spellings are those of vLLM's own parser."""

from __future__ import annotations

import pytest

from vram.models.serve_flags import Release
from vram.serving.flags import find_flag, spelt, why_not

NEW: Release = (0, 33, 0)


@pytest.mark.parametrize(
    ("word", "name", "keys", "attached", "off"),
    [
        ("--max-model-len", "max_model_len", (), None, False),
        ("--max_model_len=8", "max_model_len", (), "8", False),
        ("--max-model-len=", "max_model_len", (), "", False),
        ("--max-model-len=a=b", "max_model_len", (), "a=b", False),
        ("--tensor", "tensor_parallel_size", (), None, False),
        ("--no-enforce-eager", "enforce_eager", (), None, True),
        ("--no_enforce_eager", "enforce_eager", (), None, True),
        ("--disable-prefix-caching", "enable_prefix_caching", (), None, True),
        ("-tp", "tensor_parallel_size", (), None, False),
        ("-tp=2", "tensor_parallel_size", (), "2", False),
        ("-q", "quantization", (), None, False),
        ("-qfp8", "quantization", (), "fp8", False),
        ("-q.a", "quantization", ("a",), None, False),
        ("-qa=b", "quantization", (), "a=b", False),
        ("--hf-overrides.a_b.c", "hf_overrides", ("a_b", "c"), None, False),
        ("--hf_overrides.a=1.5", "hf_overrides", ("a",), "1.5", False),
        ("-cc.mode", "compilation_config", ("mode",), None, False),
        ("--hf-over=a.b", "hf_overrides", (), "a.b", False),
    ],
)
def test_a_word_spells_one_flag(word: str, name: str, keys: tuple[str, ...], attached: str | None, off: bool) -> None:
    found = spelt(word, NEW)
    assert found.flag is not None
    assert (found.flag.name, found.keys, found.attached, found.off) == (name, keys, attached, off)
    assert found.spelling == word.partition("=")[0]


@pytest.mark.parametrize(
    "word", ["--frobnicate", "-frob", "--", "-", "-qa.b", "-xfp8", "--max-model-lenn", "-TP", "--zzz"]
)
def test_other_words_spell_none(word: str) -> None:
    found = spelt(word, NEW)
    assert found.flag is None
    assert find_flag(word) is None


def test_a_beginning_that_several_share_could_be_each_of_them() -> None:
    found = spelt("--enable-pr", NEW)
    assert found.flag is None
    assert "--enable-prefix-caching" in found.could_be
    assert len(found.could_be) > 1
    assert all(one.startswith("--enable-pr") for one in found.could_be)
    assert list(found.could_be) == sorted(found.could_be)
    assert why_not(found, NEW) == f"ambiguous option: --enable-pr could match {', '.join(found.could_be)}"


def test_the_newest_release_is_meant_where_none_is_said() -> None:
    assert find_flag("--swap-space") is None
    assert find_flag("--swap-space", (0, 17, 0)) is not None


@pytest.mark.parametrize(
    ("word", "version", "said"),
    [
        ("--swap-space", (0, 18, 0), "it left vLLM with 0.18.0; --kv-offloading-size took its place"),
        ("--swap_space.a.b", (0, 33, 0), "it left vLLM with 0.18.0; --kv-offloading-size took its place"),
        ("--spec-method", (0, 21, 0), "it came with vLLM 0.22.0; this is 0.21.0"),
        ("--no-spec-method", (0, 21, 0), "it came with vLLM 0.22.0; this is 0.21.0"),
        ("--max-model-length", (0, 33, 0), "did you mean --max-model-len?"),
        ("--max_model_length", (0, 33, 0), "did you mean --max-model-len?"),
        ("--hf-overides.a.b", (0, 33, 0), "did you mean --hf-overrides?"),
        ("--frobnicate", (0, 9, 2), "no flag of vLLM 0.9.2"),
    ],
)
def test_a_word_that_is_no_flag_is_told_why(word: str, version: Release, said: str) -> None:
    assert why_not(spelt(word, version), version) == f"unrecognized arguments: {word} ({said})"


def test_one_that_left_without_another_in_its_place_only_left() -> None:
    assert why_not(spelt("--use-v2-block-manager", NEW), NEW).endswith(
        ("vLLM with 0.9.0)", "took its place)", "0.10.0)")
    )


def test_no_suggestion_is_sought_where_none_is_wanted() -> None:
    found = spelt("--max-model-length", NEW)
    assert why_not(found, NEW, suggest=False) == "unrecognized arguments: --max-model-length (no flag of vLLM 0.33.0)"
