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


def grouped(
    version: tuple[int, int, int], *members: tuple[PageSpec, int], factor: float = 1.5, manager: bool = True
) -> list[tuple[str, int, int, int]]:
    """(span, layers, block, page of the first layer) of each group."""
    groups = group_layers(
        [Member(spec=spec, counts=(count,)) for spec, count in members],
        cache_rules(version),
        padding_factor=factor,
        hybrid_manager=manager,
    )
    return [(group.spec.span, group.layers, group.spec.block_size, group.spec.page_bytes) for group in groups]


def test_layers_that_keep_nothing_make_no_group() -> None:
    assert grouped((0, 33, 0)) == []
    assert grouped((0, 33, 0), (FULL, 0)) == []
    assert grouped((0, 33, 0), (page("full", 0), 4)) == []
    assert grouped((0, 33, 0), (FULL, 2), (WINDOW, 0)) == [("full", 2, 16, 65536)]


def test_windows_beside_full_attention_keep_every_token_before_0_9_1() -> None:
    for version, groups in (
        ((0, 9, 0), [("full", 6, 16, 65536)]),
        ((0, 9, 1), [("window", 3, 16, 65536), ("full", 3, 16, 65536)]),
    ):
        assert grouped(version, (WINDOW, 3), (FULL, 3), factor=0.0) == groups
    # on their own they stay windows, with or without the hybrid manager
    assert grouped((0, 9, 0), (WINDOW, 3)) == [("window", 3, 16, 65536)]
    other = page("window", 65536, window=512)
    assert [span for span, *_ in grouped((0, 33, 0), (WINDOW, 3), (other, 3), manager=False)] == ["window", "window"]


def test_a_window_that_keeps_every_token_takes_the_full_layers_blocks() -> None:
    # a window's block of 32 tokens and 64 KiB becomes one of 16 and 32 KiB
    long = page("window", 65536, window=1024, block=32)
    found = group_layers(
        [Member(spec=long, counts=(2,)), Member(spec=page("full", 32768), counts=(2,))],
        cache_rules((0, 33, 0)), padding_factor=1.5, hybrid_manager=False,
    )  # fmt: skip
    assert [(m.spec.span, m.spec.window, m.spec.block_size, m.spec.page_bytes, m.spec.unpadded_bytes, m.spec.kind)
            for m in found[0].members] == [
        ("full", 0, 16, 32768, 32768, "full_attention"), ("full", 0, 16, 32768, 32768, "full")]  # fmt: skip
    # with full layers of two block sizes there is no one size to take
    two = grouped((0, 33, 0), (long, 2), (page("full", 65536), 2), (page("full", 65536, block=64), 2), manager=False)
    assert sorted({block for _, _, block, _ in two}) == [16, 32, 64]


def test_padding_of_a_window_stays_where_its_blocks_grow() -> None:
    # 900 bytes padded to 1000 in blocks of 16: in blocks of 16 it stays 1000, in blocks of 32 it is 1800
    padded = PageSpec(kind="w", span="window", block_size=16, page_bytes=1000, unpadded_bytes=900, window=64)
    for block, size in ((16, 1000), (32, 1800)):
        found = grouped((0, 33, 0), (padded, 1), (page("full", 9000, block=block), 1), manager=False)
        assert found == [("full", 2, block, size)]


def test_chunks_get_groups_of_their_own_since_0_14() -> None:
    chunk = page("chunk", 65536, window=8192)
    assert grouped((0, 13, 0), (chunk, 3), (FULL, 3)) == [("full", 6, 16, 65536)]
    assert [span for span, *_ in grouped((0, 14, 0), (chunk, 3), (FULL, 3))] == ["chunk", "full"]


def test_sizes_of_one_type_share_a_group_since_0_11_and_full_attention_always_did() -> None:
    small, large = page("full", 1000), page("full", 3000)
    windows = page("window", 1000, window=64), page("window", 3000, window=64)
    assert grouped((0, 10, 2), (small, 2), (large, 3)) == [("full", 5, 16, 1000)]
    assert grouped((0, 11, 0), (windows[0], 2), (windows[1], 3)) == [("window", 5, 16, 1000)]
    # before, windows of mixed sizes are taken apart, of equal pages not
    assert [layers for _, layers, *_ in grouped((0, 10, 2), (windows[0], 2), (windows[1], 3), factor=0.0)] == [2, 2, 1]
    alike = PageSpec(
        kind="w", span="window", block_size=16, page_bytes=1000, unpadded_bytes=1000, window=64, shape=("x",)
    )
    assert grouped((0, 10, 2), (windows[0], 2), (alike, 3)) == [("window", 5, 16, 1000)]


def test_a_latent_page_is_padded_where_no_window_is() -> None:
    # 300 does not divide 1000; beside a recurrent state it is padded, beside a window both keep every token
    latent = PageSpec(kind="l", span="full", block_size=64, page_bytes=300, unpadded_bytes=300, latent=True)
    state = PageSpec(kind="s", span="state", block_size=0, page_bytes=1000, unpadded_bytes=1000, state_blocks=1)
    assert grouped((0, 33, 0), (latent, 4), (state, 4)) == [("full", 4, 64, 1000), ("state", 4, 0, 1000)]
    assert grouped((0, 33, 0), (latent, 4), (page("window", 1000, window=64), 4)) == [("full", 8, 64, 300)]


def packed(span: Span, size: int, window: int = 0, block: int = 64) -> PageSpec:
    return PageSpec(
        kind=span, span=span, block_size=block, page_bytes=size, unpadded_bytes=size, shape=(size, span), window=window,
        latent=True, packed=True,
    )  # fmt: skip


def test_packed_layers_of_one_page_size_group_like_any_other() -> None:
    # 6 full and 4 windowed layers: 6 is not below 1.5 × 4, so groups of 4
    found = grouped((0, 33, 0), (packed("full", 576), 6), (packed("window", 576, window=128), 4))
    assert [layers for _, layers, *_ in found] == [3, 3, 4]


def test_packed_layers_of_two_page_sizes_are_packed_by_the_versions_rule() -> None:
    # 0.33: no pattern, so windows fill the block of the 3 full pages; 0.28: in groups as long as the 3 full layers
    members = (packed("full", 100), 3), (packed("window", 50, window=128), 13)
    assert [layers for _, layers, *_ in grouped((0, 33, 0), *members)] == [3, 5, 4, 4]
    assert [layers for _, layers, *_ in grouped((0, 28, 0), *members)] == [3, 3, 3, 3, 2, 2]
