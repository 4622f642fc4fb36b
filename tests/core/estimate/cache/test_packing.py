"""Groups of different pages that share a block, for made-up counts small enough to deal out by hand."""

from __future__ import annotations

import pytest

from vram.estimate.cache.members import Member
from vram.estimate.cache.packing import _Bucket, approximate_gcd, packed_groups, tuple_groups
from vram.estimate.cache.specs import PageSpec, Span


def member(span: Span, size: int, count: int, *, window: int = 0, block: int = 64) -> Member:
    spec = PageSpec(
        kind=span,
        span=span,
        block_size=block,
        page_bytes=size,
        unpadded_bytes=size,
        window=window,
        latent=True,
        packed=True,
    )
    return Member(spec=spec, counts=(count,))


def dealt(groups) -> list[list[tuple[str, int, int]]]:
    """Per group: span, page and layers of each member."""
    return [[(m.spec.span, m.spec.page_bytes, m.total) for m in group.members] for group in groups]


def test_a_pattern_of_two_pages_splits_with_what_is_as_long() -> None:
    # 4 × (100, 10) full; 8 windows of 50 in two groups of 4
    groups = packed_groups([member("full", 100, 4), member("full", 10, 4), member("window", 50, 8, window=128)])
    assert dealt(groups) == [[("full", 100, 4), ("full", 10, 4)], [("window", 50, 4)], [("window", 50, 4)]]


def test_the_longest_pattern_is_the_least_step() -> None:
    # patterns of 2 and of 6: a step of 6 pads the 2 by 4, a step of 2 would split the 6
    patterns = [
        member("full", 100, 2), member("full", 10, 2),
        member("window", 60, 6, window=128), member("window", 6, 6, window=128),
    ]  # fmt: skip
    assert dealt(packed_groups(patterns)) == [
        [("full", 100, 2), ("full", 10, 2)],
        [("window", 60, 6), ("window", 6, 6)],
    ]


def test_without_a_pattern_windows_fill_the_block_that_the_others_need() -> None:
    # one block holds the 3 full pages of 100: 300 bytes are 6 windowed pages of 50, so that 13 of them make 3 groups
    groups = packed_groups([member("full", 100, 3), member("window", 50, 13, window=128)])
    assert dealt(groups) == [
        [("full", 100, 3)], [("window", 50, 5)], [("window", 50, 4)], [("window", 50, 4)]
    ]  # fmt: skip


def test_a_state_never_widens_the_block_of_the_others() -> None:
    # a pattern of 2 × (100, 10) is 220 bytes: one state of 200 a block, so each of 3 states is a group
    pattern = [member("full", 100, 2), member("full", 10, 2)]
    assert dealt(packed_groups([*pattern, member("state", 200, 3, block=0)])) == [
        [("full", 100, 2), ("full", 10, 2)], [("state", 200, 1)], [("state", 200, 1)], [("state", 200, 1)]
    ]  # fmt: skip
    # smaller states go two to a block
    assert dealt(packed_groups([*pattern, member("state", 100, 4, block=0)])) == [
        [("full", 100, 2), ("full", 10, 2)], [("state", 100, 2)], [("state", 100, 2)]
    ]  # fmt: skip
    # one larger than the whole block still is one
    assert dealt(packed_groups([*pattern, member("state", 999, 2, block=0)]))[1:] == [
        [("state", 999, 1)], [("state", 999, 1)]
    ]  # fmt: skip


def test_a_bucket_that_is_no_pattern_stays_whole() -> None:
    # 5 and 3 layers of two pages are no pattern; beside one of 2 × (100, 10) they are one group
    uneven = [member("window", 60, 5, window=128), member("window", 6, 3, window=128)]
    groups = packed_groups([member("full", 100, 2), member("full", 10, 2), *uneven])
    assert dealt(groups) == [[("full", 100, 2), ("full", 10, 2)], [("window", 60, 5), ("window", 6, 3)]]


def test_pages_that_run_out_leave_the_last_groups_shorter() -> None:
    bucket = _Bucket(members=(member("full", 100, 3), member("full", 10, 1)))
    assert dealt(bucket.split(3)) == [[("full", 100, 1), ("full", 10, 1)], [("full", 100, 1)], [("full", 100, 1)]]
    assert dealt(bucket.split(1)) == [[("full", 100, 3), ("full", 10, 1)]]


@pytest.mark.parametrize("pad", [True, False])
def test_0_20_to_0_28_split_windows_to_the_length_of_the_full_pattern(pad: bool) -> None:
    # 4 × (100, 30) full; windows of 20 in groups of 4, their pages padded to 30 up to 0.26; one larger than all stays
    members = [
        member("full", 100, 4), member("full", 30, 4), member("window", 20, 8, window=128),
        member("window", 120, 4, window=64),
    ]  # fmt: skip
    size = 30 if pad else 20
    assert dealt(tuple_groups(members, pad=pad)) == [
        [("full", 100, 4), ("full", 30, 4)], [("window", size, 4)], [("window", size, 4)], [("window", 120, 4)]
    ]  # fmt: skip


def test_a_page_of_just_the_size_is_not_padded_further() -> None:
    members = [member("full", 100, 2), member("full", 30, 2), member("window", 30, 2, window=128)]
    assert dealt(tuple_groups(members, pad=True))[1] == [("window", 30, 2)]


def test_without_full_layers_windows_are_packed() -> None:
    members = [member("window", 100, 4, window=64), member("window", 50, 4, window=128)]
    assert dealt(tuple_groups(members, pad=True)) == dealt(packed_groups(members))


@pytest.mark.parametrize(
    ("values", "lower", "step"),
    [
        ([1], 1, 1),
        ([4, 4], 1, 4),  # of equal steps the largest
        ([4, 6], 1, 2),
        ([4, 6], 3, 6),  # 3, 4 and 6 pad by 2 each: 6 + 6, 4 + 8 and 6 + 6
        ([1, 2], 0, 1),
        ([5], 0, 5),
        ([3], 9, 9),
    ],
)
def test_the_step_that_pads_the_values_least(values: list[int], lower: int, step: int) -> None:
    assert approximate_gcd(values, lower) == step
