"""The page of robustness has a row for each target and each of the worst inputs, in the form in which the commands print them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .nightly import table
from .targets import TARGETS, seeds_of
from .varying import varied
from .worst import BEGIN, END, INPUTS, PAGE, measure

TEXT = PAGE.read_text(encoding="utf-8")


def test_every_worst_input_is_there_with_time_and_memory() -> None:
    shown = TEXT.partition(BEGIN)[2].partition(END)[0]
    for one in INPUTS:
        row = re.search(rf"^\| {re.escape(one.name)} \| (\d) \| \d+\.\d \| \d+\.\d \| (\d+) \|$", shown, re.MULTILINE)
        assert row is not None, one.name
        assert row[1] in "012"
        assert int(row[2]) < 100, f"{one.name} takes more than 100 MiB"
    assert shown.count("\n| ") == len(INPUTS) + 1  # and the heading


def test_every_row_of_figures_is_a_target_and_none_but_new_readers_lacks_one() -> None:
    shown = TEXT.partition("<!-- fuzz: ")[2].partition("<!-- end of fuzz -->")[0]
    rows = re.findall(r"^\| `([\w-]+)` \| [\d,]+ \| [\d,]+ \| \d+ \|$", shown, re.MULTILINE)
    assert set(rows) <= set(TARGETS)
    assert {name for name in set(TARGETS) - set(rows) if not name.startswith("reader-")} == set()


def test_the_table_sums_what_was_kept() -> None:
    sums = {
        "log": {"cases": 3_000, "findings": 1, "seconds": 2.0},
        "gguf": {"cases": 1_000, "findings": 0, "seconds": 2.0},
    }
    assert table(sums).splitlines()[2:] == [
        "| `log` | 3,000 | 1,500 | 1 |",
        "| `gguf` | 1,000 | 500 | 0 |",
        "| all | 4,000 | 1,000 | 1 |",
    ]


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_has_a_seed_that_it_answers(target: str) -> None:
    seeds = seeds_of(target)
    assert seeds
    assert seeds[0] or target.startswith("reader-")


def test_variations_are_the_same_for_the_same_random_numbers() -> None:
    import random

    once, again = (varied(random.Random(7), [b"vllm serve a/b", b"x: y"]) for _ in range(2))
    assert once == again


def test_an_input_is_measured(tmp_path: Path) -> None:
    ordinary = measure(INPUTS[0], tmp_path, "")
    assert ordinary.code == 0
    assert 0 < ordinary.processor < 30
    assert 5 < ordinary.mib < 100
