"""Requests that meet others at random: the Poisson numbers, by hand."""

from __future__ import annotations

import math

import pytest

from vram_plugins.targets.arrivals import at_once, mean_within


def test_a_request_meets_as_many_as_a_poisson_number_has() -> None:
    # mean 1: none with 0.368, at most one with 0.736, two 0.920, three 0.981; itself comes on top
    assert (at_once(1.0, 50), at_once(1.0, 95)) == (2, 4)
    assert (at_once(0.0, 50), at_once(0.0, 95)) == (1, 1)


def test_one_place_is_free_half_or_nearly_all_of_the_time() -> None:
    assert mean_within(1, 50) == pytest.approx(math.log(2))
    assert mean_within(1, 95) == pytest.approx(-math.log(0.95))


@pytest.mark.parametrize("percentile", [50, 95])
@pytest.mark.parametrize("most", [2, 3, 17, 100, 390, 450, 2000])
def test_the_largest_mean_is_within_and_a_larger_one_is_not(most: int, percentile: int) -> None:
    mean = mean_within(most, percentile)
    assert at_once(mean * 0.999, percentile) <= most
    assert at_once(mean * 1.02 + 0.02, percentile) > most
