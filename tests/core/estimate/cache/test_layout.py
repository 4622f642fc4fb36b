"""A cache on its ranks: block bytes, one token's bytes, the ends that stay unquantized."""

from __future__ import annotations

from typing import Any

import pytest

from vram.estimate.cache.layout import CacheLayout, _block_bytes, _fit_weight, cache_layout, with_unquantized_ends
from vram.estimate.cache.members import Group, Member
from vram.estimate.cache.specs import PageSpec, Span
from vram.models.cache import AttentionCache, CacheLayer, LatentCache, StateCache, StateTensor
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Split

FULL = AttentionCache(kind="full_attention", num_kv_heads=2, head_size=128, head_size_v=128)  # 1024 bytes a token
SMALL = AttentionCache(kind="full_attention", num_kv_heads=2, head_size=64, head_size_v=64)  # 512
WINDOW = AttentionCache(kind="sliding_window", num_kv_heads=2, head_size=128, head_size_v=128, window=64)
CROSS = AttentionCache(kind="cross_attention", num_kv_heads=2, head_size=128, head_size_v=128)
STATE = StateCache(kind="mamba2", tensors=(StateTensor(columns=50, rows=(Split(size=1),)),))
INT4 = KVCacheDtype(name="four", bits=4, unquantized_ends=2)
LATENT = LatentCache(kv_lora_rank=512, qk_rope_head_dim=64)


@pytest.fixture
def layout(make_context):
    def make(*ranks: tuple[tuple[CacheLayer, int], ...], version: str = "0.33.0", **context: Any) -> CacheLayout:
        return cache_layout(ranks, make_context(version, **context))

    return make


def test_a_token_takes_all_layers_of_the_most_loaded_rank(layout) -> None:
    assert layout(((FULL, 3), (SMALL, 1))).token_bytes == 3 * 1024 + 512
    assert layout(((FULL, 3),), ((FULL, 2),)).token_bytes == 3 * 1024
    assert layout(((FULL, 2),), ((FULL, 3),)).token_bytes == 3 * 1024
    # states and encoder tokens are no tokens of a request
    assert layout(((FULL, 3), (CROSS, 2), (STATE, 9))).token_bytes == 3 * 1024
    assert layout(()).token_bytes == 0


def test_the_block_size_is_full_attentions_else_the_first_layers(layout) -> None:
    assert layout(((WINDOW, 1), (FULL, 1)), block_size=64, version="0.25.0").block_size == 64
    assert layout(((WINDOW, 1),), block_size=64, version="0.25.0").block_size == 16  # the window's own
    assert layout(()).block_size == 0


def test_a_model_without_cache_has_blocks_of_nothing(layout) -> None:
    empty = layout(())
    assert (empty.groups, empty.rank_block_bytes, empty.first_page, empty.has_states) == ((), (0,), 0, False)


def test_a_block_is_one_page_of_each_layer_of_the_widest_group(layout) -> None:
    assert layout(((FULL, 3),), ((FULL, 2),)).rank_block_bytes == (3 * 16 * 1024, 2 * 16 * 1024)


def test_states_count_where_they_are_paged(layout) -> None:
    assert layout(((FULL, 1), (STATE, 1)), version="0.9.2").has_states
    outside = layout(((FULL, 1), (STATE, 1)), version="0.9.1")
    assert not outside.has_states
    assert [group.layers for group in outside.groups] == [1]


def ends(ranks: tuple[tuple[tuple[CacheLayer, int], ...], ...], context) -> list[list[tuple[bool, int]]]:
    """Per rank, (unquantized, layers) in order."""
    changed = with_unquantized_ends(ranks, context)
    return [[(kind.unquantized, count) for kind, count in rank] for rank in changed]  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ((10,), [[(True, 2), (False, 6), (True, 2)]]),
        ((4,), [[(True, 2), (True, 2)]]),  # all of them
        ((3,), [[(True, 1), (False, 1), (True, 1)]]),  # never over half at an end: 3 // 2
        ((2,), [[(True, 1), (True, 1)]]),
        ((1,), [[(False, 1)]]),
        ((5, 6), [[(True, 2), (False, 3)], [(False, 4), (True, 2)]]),
        ((5, 3, 6), [[(True, 2), (False, 3)], [(False, 3)], [(False, 4), (True, 2)]]),
    ],
)
def test_two_layers_at_each_end_stay_at_the_models_dtype(make_context, counts, expected) -> None:
    ranks = tuple(((FULL, count),) for count in counts)
    assert ends(ranks, make_context(kv_dtype=INT4)) == expected


def test_ends_reach_over_kinds_and_pass_by_what_is_no_attention(make_context) -> None:
    where = make_context(kv_dtype=INT4)
    mixed = (((SMALL, 1), (FULL, 8), (SMALL, 1)),)
    assert ends(mixed, where) == [[(True, 1), (True, 1), (False, 6), (True, 1), (True, 1)]]
    latent = (((LATENT, 3), (FULL, 6)),)
    assert ends(latent, where) == [[(False, 3), (True, 2), (False, 2), (True, 2)]]


def test_without_ends_or_beside_a_state_nothing_is_exempt(make_context) -> None:
    plain = (((FULL, 10),),)
    assert with_unquantized_ends(plain, make_context()) == plain
    hybrid = (((FULL, 10), (STATE, 2)),)
    assert with_unquantized_ends(hybrid, make_context(kv_dtype=INT4)) == hybrid


def packed(span: Span, size: int, count: tuple[int, ...]) -> Member:
    spec = PageSpec(kind=span, span=span, block_size=64, page_bytes=size, unpadded_bytes=size, latent=True, packed=True)
    return Member(spec=spec, counts=count)


#: two full layers of each of (100, 30) bytes, and a group of five windows of 30
MIXED = (
    Group(members=(packed("full", 100, (2,)), packed("full", 30, (3,)))),
    Group(members=(packed("window", 30, (5,)),)),
)


@pytest.mark.parametrize(
    ("version", "size", "weight"),
    [
        # tuples (0.20): the pattern (100 + 30) as often as the longest run of any group, 5 times
        ("0.20.0", 130 * 5, 130 * 5),
        # slots (0.23): the most of each page in any group, 2 × 100 + 5 × 30; the check still reckons with patterns
        ("0.23.0", 2 * 100 + 5 * 30, 130 * 5),
        # dense (0.27) and layout (0.29): the widest group, 2 × 100 + 3 × 30
        ("0.27.0", 290, 130 * 5),
        ("0.29.0", 290, 290),
    ],
)
def test_how_groups_of_mixed_pages_share_a_block(make_context, version, size, weight) -> None:
    where = make_context(version)
    assert _block_bytes(MIXED, 0, where) == size
    assert _fit_weight(MIXED, 0, size, where) == weight


def test_a_rank_without_layers_of_a_page_keeps_no_slot_for_it(make_context) -> None:
    ranks = (
        Group(members=(packed("full", 100, (2, 0)), packed("full", 30, (3, 4)))),
        Group(members=(packed("window", 30, (5, 1)),)),
    )
    where = make_context("0.23.0")
    assert [_block_bytes(ranks, rank, where) for rank in (0, 1)] == [2 * 100 + 5 * 30, 4 * 30]


def test_a_pattern_is_repeated_as_often_as_its_more_frequent_page(make_context) -> None:
    # the first group's own 3 layers of 30 bytes are the longest run here
    few = (MIXED[0], Group(members=(packed("window", 30, (1,)),)))
    assert _block_bytes(few, 0, make_context("0.20.0")) == 130 * 3
    assert _fit_weight(few, 0, 1, make_context("0.23.0")) == 130 * 3


def test_one_group_or_unpacked_ones_take_their_widest(make_context) -> None:
    where = make_context("0.20.0")
    assert _block_bytes(MIXED[:1], 0, where) == 2 * 100 + 3 * 30
    assert _fit_weight(MIXED[:1], 0, 290, make_context("0.23.0")) == 290
    assert _block_bytes((), 0, where) == 0


def test_a_group_of_mixed_sizes_cost_each_rank_the_pages_of_all_from_0_11_to_0_16(layout) -> None:
    ranks = (((FULL, 3), (SMALL, 1)), ((FULL, 2), (SMALL, 4)))
    own = (16 * (3 * 1024 + 512), 16 * (2 * 1024 + 4 * 512))
    everything = (16 * (5 * 1024 + 5 * 512),) * 2
    for version, expected in (("0.11.0", everything), ("0.16.0", everything), ("0.17.0", own), ("0.10.2", own)):
        assert layout(*ranks, version=version).rank_block_bytes == expected, version
    # a group of one size never did
    assert layout(((FULL, 3),), ((FULL, 2),), version="0.11.0").rank_block_bytes == (3 * 16384, 2 * 16384)
