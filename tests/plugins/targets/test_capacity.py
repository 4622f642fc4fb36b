"""What a replica carries, held against whole answers."""

from __future__ import annotations

import pytest

import vram
from vram.ask import ask
from vram.components import Parts, compute
from vram.models.targets import Targets
from vram_plugins.targets.capacity import (
    held_by_cache,
    last_that,
    rate_is_kept,
    rate_within,
    replicas_for,
    users_within,
)
from vram_plugins.targets.lengths import lengths_alike, read_lengths
from vram_plugins.targets.pace import pace_with


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


@pytest.fixture(scope="module")
def parts() -> Parts:
    return compute(ask("Qwen/Qwen3-8B", gpu="H100", max_model_len=4500))


LENGTHS = lengths_alike(4000, 500)


def test_replicas_are_the_fewest_whose_share_of_a_rate_keeps_the_targets(parts: Parts) -> None:
    targets = Targets(ttft_ms=600, tpot_ms=40, requests_per_second=9)
    count = replicas_for(parts, LENGTHS, targets, 1, most=64)

    assert count > 1
    kept = [
        vram.performance(
            "Qwen/Qwen3-8B", gpu="H100", max_model_len=4500, prompt_tokens=4000, gen_tokens=500, request_rate=9 / n
        )
        for n in (count, count - 1)
    ]
    fine = [
        one.ttft_ms.high <= 600
        and one.tpot_ms.high <= 40
        and one.capacity_requests_per_s * one.requests_per_s.low / one.requests_per_s.expected >= 9 / n * 0.98
        for one, n in zip(kept, (count, count - 1), strict=True)
    ]
    assert fine == [True, False]
    assert replicas_for(parts, LENGTHS, targets, 1, most=count) == count
    assert replicas_for(parts, LENGTHS, targets, 1, most=count - 1) == 0


def test_users_are_shared_out_by_what_one_replica_takes(parts: Parts) -> None:
    targets = Targets(tpot_ms=20)
    most = users_within(parts, LENGTHS, targets)

    assert most.limited_by == "time per token"
    assert (
        pace_with(parts, LENGTHS, 50, int(most.amount)).tpot_ms
        <= 20
        < pace_with(parts, LENGTHS, 50, int(most.amount) + 1).tpot_ms
    )
    assert replicas_for(parts, LENGTHS, targets, int(most.amount) * 3 + 1, most=64) == 4


def test_the_most_per_second_is_kept_and_above_what_is_known_to_be(parts: Parts) -> None:
    targets = Targets(ttft_ms=300)
    most = rate_within(parts, LENGTHS, targets)
    assert rate_is_kept(parts, LENGTHS, targets, most.amount)
    assert rate_within(parts, LENGTHS, targets, most.amount).amount >= most.amount
    assert rate_within(parts, LENGTHS, Targets(ttft_ms=1)).amount == 0
    assert replicas_for(parts, LENGTHS, Targets(ttft_ms=1), 1, most=64) == 0


def test_many_lengths_find_more_room_together_than_the_longest_do_alone(parts: Parts) -> None:
    mixed = read_lengths([(500, 100)] * 95 + [(4000, 500)] * 5)
    held = held_by_cache(parts, mixed)
    assert parts.most_requests(4500) < held < parts.most_requests(mixed.prompt_tokens + mixed.gen_tokens)
