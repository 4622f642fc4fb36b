"""Requests that meet others at random: the Poisson numbers, by hand."""

from __future__ import annotations

from vram_plugins.targets.arrivals import at_once


def test_a_request_meets_as_many_as_a_poisson_number_has() -> None:
    # mean 1: none with 0.368, at most one with 0.736, two 0.920, three 0.981; itself comes on top
    assert (at_once(1.0, 50), at_once(1.0, 95)) == (2, 4)
    assert (at_once(0.0, 50), at_once(0.0, 95)) == (1, 1)


def test_many_are_a_normal_number() -> None:
    assert at_once(10_000.0, 50) == 10_001
    assert at_once(10_000.0, 95) == 10_001 + round(1.645 * 100) - 0  # mean and 1.645 standard deviations of 100
    assert at_once(399.0, 95) <= at_once(401.0, 95)
