"""Lists of module names read back from their short form."""

from __future__ import annotations

from vram.checkpoint.numbered_names import expanded, expanded_block


def test_numbers_and_ranges_become_names() -> None:
    assert expanded(["lm_head", "#layers.{0-2,5}.gate"]) == [
        "lm_head",
        *(f"layers.{number}.gate" for number in (0, 1, 2, 5)),
    ]


def test_lists_are_read_back_however_deep_in_a_block() -> None:
    block = {"bits": 4, "groups": {"one": {"targets": ["#a.{1-2}"]}}, "shape": [1, 2]}

    assert expanded_block(block) == {"bits": 4, "groups": {"one": {"targets": ["a.1", "a.2"]}}, "shape": [1, 2]}
