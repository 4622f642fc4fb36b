"""The map of what fits: axis, areas, frontier and cells on one pair of scales, with ticks that people know."""

from __future__ import annotations

import re

import pytest

from vram.models.curves import Column, Field
from vram.report import field_chart
from vram.report.axes import doubling_marks
from vram.units import GIB

#: users that fit at 1K, 2K, 4K and 8K tokens: half of them at each doubling
MOST = {1024: 32, 2048: 16, 4096: 8, 8192: 4}
USERS = tuple(2**power for power in range(8))


def chart() -> str:
    columns = tuple(
        Column(context=context, headroom_bytes=tuple((most - users) * GIB for users in USERS), most_users=most)
        for context, most in MOST.items()
    )
    return field_chart(Field(users=USERS, columns=columns, headroom_bytes=GIB, asked_context=4096, asked_users=8))


def ticks(svg: str, anchor: str) -> dict[str, tuple[float, float]]:
    found = re.findall(rf'<text x="([\d.]+)" y="([\d.]+)" text-anchor="{anchor}" class="tick">([^<]+)</text>', svg)
    return {words: (float(x), float(y)) for x, y, words in found}


def points(svg: str, kind: str) -> list[tuple[float, float]]:
    text = re.search(rf'points="([^"]+)" class="{kind}"', svg)
    assert text
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in text[1].split())]


def test_the_frontier_lies_where_the_ticks_say() -> None:
    svg = chart()
    contexts, users = ticks(svg, "middle"), ticks(svg, "end")

    for (x, y), (context, most) in zip(points(svg, "frontier"), MOST.items(), strict=True):
        assert x == pytest.approx(contexts[f"{context // 1024}K"][0], abs=0.1)
        assert y == pytest.approx(users[str(most)][1] - 5, abs=0.1)  # a letter's foot is 5 below its middle


def test_what_was_asked_lies_where_the_ticks_say() -> None:
    svg = chart()
    dot = re.search(r'cx="([\d.]+)" cy="([\d.]+)" r="6"', svg)

    assert dot
    assert float(dot[1]) == pytest.approx(ticks(svg, "middle")["4K"][0], abs=0.1)
    assert float(dot[2]) == pytest.approx(ticks(svg, "end")["8"][1] - 5, abs=0.1)


def test_each_cell_says_what_is_in_it_and_lies_around_its_point() -> None:
    svg = chart()
    cell = re.search(
        r'<rect class="cell" x="([\d.]+)" width="([\d.]+)" y="([\d.]+)" height="([\d.]+)" data-context="2048" '
        r'data-users="32"><title>([^<]+)',
        svg,
    )

    assert cell
    left, width, top, height = map(float, cell.groups()[:4])
    assert left < ticks(svg, "middle")["2K"][0] < left + width
    assert top < ticks(svg, "end")["32"][1] - 5 < top + height
    assert cell[5] == "32 × 2,048 tokens: does not fit, -16.00 GiB free"


def test_ticks_are_powers_of_two_and_not_too_many() -> None:
    assert doubling_marks(1024, 8192, 9) == [1024, 2048, 4096, 8192]
    assert doubling_marks(1000, 131072, 4) == [1024, 4096, 16384, 65536]
    assert doubling_marks(1, 4096, 7) == [1, 4, 16, 64, 256, 1024, 4096]
