"""The picture of the house is what is imported, and every room says what it is for."""

from __future__ import annotations

import os
from pathlib import Path
from xml.etree import ElementTree

from tests.docs.house import CORE, floors, picture, purpose, uses

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "house.svg"


def test_the_picture_is_current() -> None:
    drawn = picture()
    if os.environ.get("VRAM_UPDATE_DOCS"):
        PICTURE.write_text(drawn)
    assert PICTURE.read_text() == drawn, "VRAM_UPDATE_DOCS=1 pytest tests/docs draws it anew"


def test_it_is_a_picture_with_every_room() -> None:
    shown = {text.text for text in ElementTree.fromstring(picture()).iter("{http://www.w3.org/2000/svg}text")}
    assert {room for floor in floors() for room in floor} <= shown
    assert {"architectures", "web", "calibrate", "reconcile"} <= shown


def test_no_module_lies_loose_in_the_hall() -> None:
    loose = {path.stem for path in CORE.glob("*.py")}
    assert loose == {"__init__", "__main__", "api", "errors", "units", "dtypes"}


def test_every_room_says_what_it_is_for() -> None:
    for place in CORE.glob("*/__init__.py"):
        assert len(purpose(place)) > 20, place


def test_arrows_point_down() -> None:
    height = {f"vram.{room}": len(floors()) - level for level, floor in enumerate(floors()) for room in floor}
    upwards = [
        (room, used)
        for room, rooms in uses().items()
        if room in height
        for used in rooms
        if height[used] >= height[room]
    ]
    assert not upwards
