"""What a replica carries, on numbers that can be checked by hand."""

from __future__ import annotations

from vram.models.targets import Targets
from vram_plugins.targets.capacity import Capacity, last_that, replicas_for


def test_the_last_number_that_keeps_what_all_before_it_keep() -> None:
    assert [last_that(lambda count, end=end: count <= end, 100) for end in (0, 1, 2, 63, 100, 500)] == [
        0,
        1,
        2,
        63,
        100,
        100,
    ]  # type: ignore[misc]


def test_what_is_lost_and_found_again_does_not_count() -> None:
    assert last_that(lambda count: count < 3 or 30 < count < 60, 100) == 2
    assert last_that(lambda count: not 12 <= count <= 15 and count < 20, 100) < 12


def test_replicas_are_counted_by_rate_and_by_users() -> None:
    one = Capacity(users=10, mean=9.6, requests_per_s=2.0, limited_by="time per token")
    assert replicas_for(Targets(requests_per_second=2.0), 1, one) == 1
    assert replicas_for(Targets(requests_per_second=2.01), 1, one) == 2
    assert replicas_for(Targets(requests_per_second=2.0), 31, one) == 4
    assert replicas_for(Targets(tpot_ms=1), 1, Capacity(users=0, mean=0, requests_per_s=0, limited_by="KV cache")) == 0
