"""The curve: what it says, 40 columns of plain characters, and a picture that is as legible as the text around it."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

import vram
from vram.errors import VramError
from vram.models.targets import SpeedCurve
from vram.report import STYLE_FILE
from vram_plugins.targets.curve_svg import curve_svg
from vram_plugins.targets.curve_text import curve_text

ASKED = {"gpu": "H100", "prompt_tokens": 2000, "gen_tokens": 300}


@pytest.fixture(scope="module")
def curve() -> SpeedCurve:
    plan = vram.plan("Qwen/Qwen3-8B", ttft_ms=2000, tpot_ms=30, requests_per_second=20, **ASKED)
    assert plan.recommendation is not None
    assert plan.recommendation.service is not None
    return plan.recommendation.service.curve


def test_each_point_is_what_performance_says() -> None:
    found = vram.speed_curve("Qwen/Qwen3-8B", concurrency=10, max_num_seqs=64, **ASKED)  # type: ignore[attr-defined]

    assert [point.users for point in found.points if point.chosen] == [10]
    assert found.points[-1].users == 64
    for point in found.points:
        speed = vram.performance("Qwen/Qwen3-8B", concurrency=point.users, max_num_seqs=64, **ASKED)
        assert point.output_tokens_per_s == speed.output_tokens_per_s
        assert (point.ttft_ms, point.tpot_ms) == (speed.ttft_ms, speed.tpot_ms)
        assert point.tokens_per_s_per_user.low == pytest.approx(1e3 / speed.tpot_ms.high)


def test_a_model_that_generates_nothing_has_no_curve() -> None:
    with pytest.raises(VramError, match="generates no tokens"):
        vram.speed_curve("BAAI/bge-m3", gpu="T4", prompt_tokens=100, gen_tokens=1)  # type: ignore[attr-defined]


def test_in_the_terminal_it_is_plain_and_narrow(curve: SpeedCurve) -> None:
    drawn = curve_text(curve)

    assert drawn.isascii()
    assert max(map(len, drawn.splitlines())) <= 40
    plot, table = drawn.split("\n\n")
    assert plot.count("@") == 2  # the point, and what it stands for
    assert sum(line.endswith("@") for line in table.splitlines()) == 1
    assert ": 30 ms a token" in plot


def test_the_picture_marks_the_chosen_point_and_takes_the_colour_of_the_text(curve: SpeedCurve) -> None:
    drawn = str(curve_svg(curve))
    root = ElementTree.fromstring(drawn)

    colours = {element.get(name) for element in root.iter() for name in ("fill", "stroke")} - {None}
    assert colours == {"currentColor", "none"}
    assert not re.search(r"style=|<style|href|<script", drawn)
    labels = [element.text for element in root.iter() if element.tag.endswith("}text")]
    chosen = next(point for point in curve.points if point.chosen)
    assert f"{chosen.users} at once, planned" in labels
    assert "target: 30 ms a token" in labels


def test_the_reports_text_stands_out_in_light_and_in_dark() -> None:
    sheet = STYLE_FILE.read_text()
    for theme in sheet.split("@media (prefers-color-scheme:dark)")[:2]:
        ink, paper = (re.search(rf"--{name}:(#[0-9a-f]+)", theme)[1] for name in ("fg", "bg"))  # type: ignore[index]
        assert contrast(ink, paper) >= 4.5


def contrast(first: str, second: str) -> float:
    """WCAG 2.2: relative luminances, the lighter over the darker, each plus 0.05."""
    light, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
