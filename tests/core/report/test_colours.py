"""The colours of reports and of the page: text of 4.5:1, borders that matter and shapes of 3:1, in both modes (WCAG 2)."""

from __future__ import annotations

import re

import pytest

from vram.report import STYLE_FILE

MODES = ("light", "dark")
TEXTS = [
    *((ink, behind) for ink in ("fg", "soft", "accent", "good", "warn", "bad") for behind in ("bg", "card")),
    *(("inside", behind) for behind in ("weights", "activation", "graphs", "nontorch", "kv")), ("fg", "pool"),
]  # fmt: skip
SHAPES = ("edge", "accent", "weights", "overhead", "activation", "graphs", "nontorch", "kv", "roomy")


def colours(mode: str) -> dict[str, str]:
    """The style sheet's variables; the dark ones stand over the light ones."""
    text = STYLE_FILE.read_text(encoding="utf-8")
    light, dark = re.findall(r":root\{([^}]*)\}", text)[:2]
    found = dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", light))
    return found | dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", dark)) if mode == "dark" else found


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * each for each in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("ink", "behind"), TEXTS)
def test_a_text_is_legible(mode: str, ink: str, behind: str) -> None:
    found = colours(mode)
    assert contrast(found[ink], found[behind]) >= 4.5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_border_or_shape_stands_out(mode: str, shape: str) -> None:
    found = colours(mode)
    assert contrast(found[shape], found["bg"]) >= 3


@pytest.mark.parametrize("mode", MODES)
def test_what_fits_and_what_does_not_differ_in_more_than_their_hue(mode: str) -> None:
    """For whoever sees no red and green, or prints in grey."""
    found = colours(mode)
    assert contrast(found["roomy"], found["not"]) >= 3
    assert contrast(found["good"], found["bad"]) < 3  # which is why marks and words stand beside them


def test_black_on_white_has_the_contrast_that_the_definition_gives() -> None:
    assert contrast("#000000", "#fff") == pytest.approx(21)
