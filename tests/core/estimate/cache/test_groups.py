"""Grouping by counts: vLLM deals layers out by name; counts must land the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vram.estimate.cache.groups import group_layers
from vram.estimate.cache.members import Member, deal
from vram.estimate.cache.packing import approximate_gcd
from vram.estimate.cache.specs import PageSpec, Span
from vram.vllm.cache_rules import cache_rules


def page(span: Span, size: int, window: int = 0, block: int = 16) -> PageSpec:
    return PageSpec(
        kind=span, span=span, block_size=block, page_bytes=size, unpadded_bytes=size, shape=(size,), window=window
    )


FULL, WINDOW = page("full", 65536), page("window", 65536, window=1024)


@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=4), groups=st.integers(1, 12), run=st.integers(0, 9))
def test_dealing_counts_is_dealing_names(counts: list[int], groups: int, run: int) -> None:
    names = [(rank, i) for rank, count in enumerate(counts) for i in range(count)]
    slices = [slice(i * run, (i + 1) * run) if run else slice(i, None, groups) for i in range(groups)]
    hands = [names[part] for part in slices]
    expected = [tuple(sum(1 for rank, _ in hand if rank == r) for r in range(len(counts))) for hand in hands if hand]

    dealt = deal([Member(spec=FULL, counts=tuple(counts))], groups, run=run)

    assert [hand[0].counts for hand in dealt] == expected


def sizes(version: tuple[int, int, int], factor: float, windows: int, full: int) -> list[int]:
    members = [Member(spec=WINDOW, counts=(windows,)), Member(spec=FULL, counts=(full,))]
    groups = group_layers(members, cache_rules(version), padding_factor=factor, hybrid_manager=True)
    return [group.layers for group in groups]


def test_kinds_of_nearly_equal_length_are_padded_instead_of_split() -> None:
    # gpt-oss-20b with a drafter has 12 windows and 13 full layers: 13 < 1.5 × 12, so groups of 13
    assert sizes((0, 33, 0), 1.5, 12, 13) == [12, 13]
    # without the heuristic (0.11 and before) groups of 12: the 13 are two groups
    assert sizes((0, 11, 0), 0.0, 12, 13) == [12, 7, 6]


def test_smaller_pages_get_longer_blocks() -> None:
    # MiMo-V2-Flash at TP 2 (vLLM 0.32): full pages of 20480 next to windows of 40960: blocks of 32 and 16
    members = [
        Member(spec=page("full", 20480), counts=(9,)),
        Member(spec=page("window", 40960, window=128), counts=(39,)),
    ]
    groups = group_layers(members, cache_rules((0, 32, 0)), padding_factor=1.5, hybrid_manager=True)

    assert [(group.layers, group.spec.block_size) for group in groups] == [
        (9, 32), (8, 16), (8, 16), (8, 16), (8, 16), (7, 16),
    ]  # fmt: skip
    assert {group.spec.page_bytes for group in groups} == {40960}


def test_pages_that_do_not_divide_are_padded() -> None:
    members = [
        Member(spec=page("full", 24576), counts=(4,)),
        Member(spec=page("window", 65536, window=128), counts=(4,)),
    ]
    groups = group_layers(members, cache_rules((0, 33, 0)), padding_factor=1.5, hybrid_manager=True)

    assert [(group.spec.block_size, group.spec.page_bytes) for group in groups] == [(16, 65536), (16, 65536)]


def test_the_step_that_pads_least_is_chosen_and_of_equals_the_largest() -> None:
    assert approximate_gcd([21, 43, 20], 20) == 22  # 43 in two of 22: 1 + 1 + 2 to pad
    assert approximate_gcd([10, 20], 1) == 10
    assert approximate_gcd([5], 9) == 9
