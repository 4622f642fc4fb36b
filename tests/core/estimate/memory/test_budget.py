"""The budget and what is left of it."""

from __future__ import annotations

from vram.estimate.memory.budget import around, available_kv_cache, budget_bytes
from vram.models.interval import Interval
from vram.vllm.versions import behaviour


def test_rounded_up_since_0_14():
    # 1001 × 0.9 = 900.9
    assert budget_bytes(1001, 0.9, behaviour((0, 13, 0))) == 900
    assert budget_bytes(1001, 0.9, behaviour((0, 14, 0))) == 901


def test_ends_add_as_squares():
    # distances 30 and 40 make 50
    a = Interval(low=70, expected=100, high=130, provenance="measured")
    b = Interval(low=160, expected=200, high=240)
    left = available_kv_cache(1000, Interval.exact(500), a, b)
    assert (left.low, left.expected, left.high, left.provenance) == (150, 200, 250, "measured")


def test_around_spreads_both_ways():
    near = around(1000, 0.05, "measured")
    assert (near.low, near.high) == (950, 1050)


def test_may_be_negative():
    assert available_kv_cache(100, Interval.exact(200)).expected == -100


def test_a_share_is_cut_to_whole_bytes():
    near = around(1001, 0.05, "assumed")
    assert (near.low, near.expected, near.high, near.provenance) == (951, 1001, 1051, "assumed")


def test_ends_are_rounded_outwards():
    # distances 1 and 1 on one side, 2 and 2 on the other: √2 and √8
    part = Interval(low=98, expected=100, high=101)
    left = available_kv_cache(1000, part, part)
    assert (left.low, left.expected, left.high) == (798, 800, 803)
