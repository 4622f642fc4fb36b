"""Lines as they were pasted, and as vLLM printed them."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pytest

from vram_plugins.logs.unwrap import LogLine, crosses, joined, paragraphs, unquoted

HEADER = "INFO 12-15 19:05:20 [x.py:1]"
#: of one process, as vLLM writes it
OWN = f"(Worker_TP0 pid=300) {HEADER} said"


def of(text: str) -> LogLine:
    return LogLine.of(text, 7)


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("> a", "a"), (">a", "a"), ("        > a", "a"), ("         > a", "         > a"), ("> > a", "a"), (">" * 8 + "a", "a"),
        (">" * 9 + "a", ">a"), ("a > b", "a > b"), (">  a", " a"), ("", ""),
    ],
)  # fmt: skip
def test_up_to_eight_marks_of_a_quotation_behind_up_to_eight_blanks_are_left_off(line: str, plain: str) -> None:
    assert unquoted(line) == plain


@pytest.mark.parametrize("times", [1, 4, 5])
def test_up_to_four_things_stand_before_a_line(times: int) -> None:
    line = of("stdout F " * times + "word")
    assert line.text == "stdout F " * max(0, times - 4) + "word"
    assert (line.begins, line.number) == (False, 7)


@pytest.mark.parametrize(
    ("before", "begins"), [(0, True), (50, True), (200 - len("INFO 12-15 19:05:20"), True), (200, False)]
)
def test_vllms_own_beginning_stands_within_200_characters(before: int, begins: bool) -> None:
    found = of("x" * before + HEADER + " said")
    assert found.begins == begins
    assert found.text == ("" if begins else "x" * before) + HEADER + " said"


def test_a_beginning_is_within_them_as_a_whole() -> None:
    assert not of("x" * (201 - len("INFO 12-15 19:05:20")) + HEADER).begins


@pytest.mark.parametrize(
    "begun",
    [
        OWN,
        "(APIServer pid=1) INFO 12-15 19:05:20 [api_server.py:1977]",
        "(EngineCore_DP0 pid=211)",
        "(VllmWorker rank=2 pid=12) WARNING 01-02 03:04:05 x",
        "(Worker pid=5, ip=10.0.0.3) said",
        "(EngineCore pid=1) (RayWorker pid=2) said",
        "ERROR 12-15 19:05:20 x",
        "CRITICAL 12-15 19:05:20 x",
        "DEBUG 12-15 19:05:20 x",
    ],
)
def test_how_vllms_lines_begin(begun: str) -> None:
    assert of(f"app says: {begun}") == LogLine(text=begun, number=7, width=len(f"app says: {begun}"), begins=True)


@pytest.mark.parametrize("text", ["INFO: 172.18.0.3", "pid=3", "(pid=3)", "INFO 12-15", "WARNING all", ""])
def test_other_lines_do_not_begin_so(text: str) -> None:
    assert of(text) == LogLine(text=text, number=7, width=len(text), begins=False)


def test_the_width_is_that_of_what_was_pasted_without_quotation_and_blanks_at_its_end() -> None:
    assert of(f"> vllm-1  | {OWN}   ").width == len(f"vllm-1  | {OWN}")
    assert of(f"> vllm-1  | {OWN}   ").text == OWN + "   "


def groups(texts: Iterable[str]) -> list[int]:
    return [len(together) for together in paragraphs(LogLine.of(text, 1) for text in texts)]


def test_a_paragraph_is_what_follows_a_beginning_up_to_an_empty_line() -> None:
    assert groups([OWN, "a", "b", OWN, OWN, "a", "", "", "c", "d", " ", OWN]) == [3, 1, 2, 2, 1]
    assert groups([]) == []
    assert groups(["", ""]) == []


def test_it_has_up_to_400_lines() -> None:
    assert groups([OWN, *["a"] * 900]) == [400, 400, 101]


def test_and_ends_with_the_line_that_takes_it_beyond_65536_characters() -> None:
    assert groups(["x" * 1024] * 66) == [65, 1]
    assert groups(["x" * 65_536, "a", "b", "c"]) == [2, 2]
    assert groups(["x" * 65_537, "a", "b", "c"]) == [1, 3]
    assert groups(["a", "", "x" * 65_536, "b", "c"]) == [1, 2, 1]


def together(*texts: str) -> list[tuple[str, tuple[int, ...]]]:
    return list(joined([LogLine.of(text, number) for number, text in enumerate(texts)]))


def test_lines_as_wide_as_a_window_are_one_with_or_without_what_its_edge_fell_on() -> None:
    a, b = "x" * 32, "y" * 32
    assert together(a, b, " z") == [(a + b + " z", (32, 64)), (f"{a} {b} z", (33, 66))]


def test_a_line_that_is_one_narrower_lost_the_blank_at_the_edge() -> None:
    a, b = "x" * 40, "y" * 39
    assert together(a, b, "z") == [(a + b + " z", (40, 80)), (f"{a} {b} z", (41, 81))]
    assert together(b, a, "z") == [(b + " " + a + "z", (40, 80)), (f"{b} {a} z", (40, 81))]


@pytest.mark.parametrize("texts", [("x" * 31, "y" * 31, "z"), ("x" * 40, "y" * 38, "z"), ("x" * 38, "y" * 40, "  z")])
def test_others_were_broken_between_words(texts: tuple[str, str, str]) -> None:
    assert [text for text, _ in together(*texts)] == [" ".join(text.strip() for text in texts)]


def test_of_two_lines_the_last_may_be_of_any_width() -> None:
    assert [text for text, _ in together("x" * 50, "y")] == ["x" * 50 + "y", "x" * 50 + " y"]


@pytest.mark.parametrize(("meeting", "over"), [(2, False), (3, True), (5, True), (6, True), (7, False)])
def test_what_ends_where_lines_meet_may_go_on_there(meeting: int, over: bool) -> None:
    match = re.search("word", "a word b")
    assert match is not None
    assert (match.start(), match.end()) == (2, 6)
    assert crosses(match, (meeting,)) == over
    assert crosses(match, (0, meeting, 99)) == over
    assert not crosses(match, ())
