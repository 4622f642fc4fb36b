"""What is said where the catalog's facts stand in for those of a Hub that is slow; the page asks again where it finds this."""

from __future__ import annotations

from collections.abc import Callable

from vram.checkpoint import stand_ins
from vram.report import Markup, join, tag


def standing_markup() -> Markup:
    """One sentence; `app.js` knows it by its class."""
    words = "The Hub had not answered in time: these are the bundled catalog's facts of the model."
    return tag("p", words, class_="standing about")


def with_standing(make: Callable[[], Markup]) -> Markup:
    """What is made of many questions, below that sentence where it is true of one of them."""
    before = stand_ins()
    html = make()
    return html if stand_ins() == before else join((standing_markup(), html))
