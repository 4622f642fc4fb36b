"""The table of flags against vLLM's own parser (0.33.0, asked) and the sources of 48 releases (`releases.json`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import fields

from vram.models.deployment import ENGINE_DEFAULTS, EngineArgs
from vram.models.serve_flags import Flag, serve_flags, spellings
from vram.serving.flags import spelt

NEWEST = (0, 33, 0)
TESTS = Path(__file__).parents[2]
PARSER = [
    (set(words), takes) for words, takes in json.loads((TESTS / "data/vllm_serve_parser_0.33.0.json").read_text())
]
SHORT = json.loads((TESTS / "data/vllm_serve_short_0.33.0.json").read_text())
RELEASES = json.loads((TESTS / "conformance/releases.json").read_text())
#: defined beside what the sources are read for, in every release
READ_ELSEWHERE = {"config"}
#: read by the program itself, not by its arithmetic
NAMES_THE_MODEL = {"model", "revision", "trust_remote_code", "config"}


def release(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def test_the_newest_parser_and_the_table_have_the_same_spellings() -> None:
    asked = {spelling for words, _ in PARSER for spelling in words}
    assert set(spellings(NEWEST)) == asked


@pytest.mark.parametrize(("spelling", "short"), [pair for pair in SHORT.items() if pair[0] != "--help"])
def test_an_abbreviation_is_taken_from_the_length_on_that_the_newest_parser_takes(spelling: str, short: str) -> None:
    """`--help`, which ends the command, is no flag here."""
    taken = spelt(short, NEWEST)
    assert taken.could_be == (spelling,)
    assert (taken.flag, taken.off) == spellings(NEWEST)[spelling]
    if len(short) > 3 and short[:-1] != "--he":
        assert spelt(short[:-1], NEWEST).could_be != (spelling,)


@pytest.mark.parametrize(("words", "takes"), PARSER, ids=lambda one: min(one) if isinstance(one, set) else None)
def test_a_flag_takes_what_the_newest_parser_says(words: set[str], takes: str) -> None:
    found = {spellings(NEWEST)[word][0] for word in words}
    assert len(found) == 1
    flag = found.pop()
    assert ("set" if flag.takes == "switch" and not flag.negatable else flag.takes) == takes


def held(name: str) -> set[tuple[int, ...]]:
    """The releases whose sources have a flag."""
    every = [release(one) for one in RELEASES["releases"]]
    stretches = [
        (release(first), release(last))
        for fact, ranges in RELEASES["facts"].items()
        if fact.startswith(f"flag --{name.replace('_', '-')} =")
        for first, last in ranges
    ]
    return {one for one in every if len(one) == 3 and any(first <= one <= last for first, last in stretches)}


@pytest.mark.parametrize(
    "flag", [flag for flag in serve_flags().values() if flag.name not in READ_ELSEWHERE], ids=lambda f: f.name
)
def test_a_flag_is_there_in_the_releases_whose_sources_have_it(flag: Flag) -> None:
    every = [release(one) for one in RELEASES["releases"]]
    assert {one for one in every if len(one) == 3 and flag.in_release(one)} == held(flag.name)  # type: ignore[arg-type]


def test_every_flag_of_every_release_is_in_the_table() -> None:
    named = {fact.split()[1] for fact in RELEASES["facts"] if fact.startswith("flag ")}
    assert named - {flag.spelling for flag in serve_flags().values()} == {
        "--device-memory-utilization"
    }  # another spelling


def test_a_modelled_flag_is_an_engine_argument_and_the_other_way_round() -> None:
    modelled = {flag.name for flag in serve_flags().values() if flag.effect == "modelled"} - NAMES_THE_MODEL
    assert modelled == {
        name for name in ENGINE_DEFAULTS if name not in {"swap_space", "enable_sleep_mode", "environment"}
    }  # memory of the host alone; an argument whose warning stays; no flag of vLLM


def test_a_flag_that_decides_memory_unmodelled_says_which_way() -> None:
    for flag in serve_flags().values():
        assert bool(flag.direction) == (flag.effect == "decides"), flag.name
        assert not flag.direction.endswith("."), flag.name


def test_a_flag_in_other_words_means_an_engine_argument() -> None:
    own = {one.name for one in fields(EngineArgs)}
    for flag in serve_flags().values():
        if flag.effect == "same":
            assert flag.same_as.partition("=")[0].partition(".")[0] in own


def test_what_took_a_flags_place_came_before_it_left_or_with_it() -> None:
    for flag in serve_flags().values():
        if flag.instead:
            there = serve_flags()[flag.instead[2:].replace("-", "_")]
            assert flag.gone is not None
            assert there.gone is None, flag.name
            assert there.since <= flag.gone, flag.name
