"""Rules of the KV planner that few models reach, one by one (docs/explanation/mutation.md)."""

from __future__ import annotations

from typing import Any

import pytest

from vram.estimate.cache.alignment import BlockSizes, _align_with_states, _alignment_unit
from vram.estimate.cache.context import CacheContext
from vram.estimate.cache.groups import _unified
from vram.estimate.cache.layers import state_bytes
from vram.estimate.cache.members import Member
from vram.estimate.cache.need import _UNBOUNDED, longest, needed
from vram.estimate.cache.packing import _Bucket
from vram.estimate.cache.specs import PageSpec
from vram.models.cache import AttentionCache, StateCache, StateTensor
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Split
from vram.vllm.versions import behaviour, parse_version

AUTO = KVCacheDtype(name="auto", bits=None)


def context(version: str, **changes: Any) -> CacheContext:
    defaults: dict[str, Any] = {
        "dtype": "bfloat16", "kv_dtype": AUTO, "max_model_len": 4096, "max_num_seqs": 8,
        "max_num_batched_tokens": 2048,
    }  # fmt: skip
    return CacheContext(behaviour=behaviour(parse_version(version)), **{**defaults, **changes})


def attention(head_size: int) -> AttentionCache:
    return AttentionCache(kind="full_attention", num_kv_heads=2, head_size=head_size, head_size_v=head_size)


@pytest.mark.parametrize(
    ("version", "capability", "head_size", "unit"),
    [
        ("0.11.2", (10, 0), 256, 32),  # FlashInfer on Blackwell had no blocks of 16 for heads of 256
        ("0.11.2", (10, 0), 128, 16),
        ("0.11.2", (9, 0), 256, 16),
        ("0.19.1", (10, 0), 256, 32),
        ("0.20.0", (10, 0), 256, 64),  # since 0.20 the larger of the kernel's block and the block
    ],
)
def test_the_unit_that_blocks_of_hybrid_models_grow_by(
    version: str, capability: tuple[int, int], head_size: int, unit: int
) -> None:
    sizes = BlockSizes(attention=64, kernel=16)
    where = context(version, compute_capability=capability)
    assert _alignment_unit(sizes, [], attention(head_size), where) == unit


def test_blocks_of_a_hybrid_model_hold_its_largest_state() -> None:
    # states of 1,000 and 100,000 bytes (bfloat16); a token takes 2 heads × 2 × 128 × 2 bytes = 1024, and blocks grow
    # by 16: ceil(100,000 / (16 × 1024)) = 7 → 112 tokens, and the state's page is 112 × 1024
    small, large = (
        StateCache(kind="mamba2", tensors=(StateTensor(columns=n, rows=(Split(size=1),)),)) for n in (500, 50_000)
    )
    sizes = _align_with_states(BlockSizes(attention=16, kernel=16), [small, large], attention(128), context("0.14.1"))
    assert (sizes.attention, sizes.state_page) == (112, 112 * 1024)


def page(size: int) -> PageSpec:
    return PageSpec(kind="full", span="full", block_size=64, page_bytes=size, unpadded_bytes=size)


def test_a_bucket_split_into_groups_is_as_wide_as_its_widest_group() -> None:
    # 5 layers of 100 bytes and 3 of 10 over two groups: 3 × 100 + 2 × 10
    bucket = _Bucket(members=(Member(spec=page(100), counts=(5,)), Member(spec=page(10), counts=(3,))))
    assert bucket.widest(2) == 320
    assert (bucket.balanced, bucket.repeats, bucket.layers) == (False, 5, 8)


@pytest.mark.parametrize("budget", range(1, 400, 7))
def test_the_longest_request_is_the_one_that_counting_up_finds(budget: int) -> None:
    # a growing term, a window of 50 tokens and a constant: 3 × ceil(L / 16), 2 × (ceil(min(L, 50) / 4) + 1), 5 × 1
    terms = ((3, 16, _UNBOUNDED, 0), (2, 4, 50, 1), (5, 1, 0, 1))
    counted = max((length for length in range(1, 3000) if needed(terms, length) <= budget), default=0)
    assert longest(terms, budget, 2999) == counted


def test_a_state_that_speculation_lengthens_has_columns_more() -> None:
    # 10 columns and 3 speculative tokens, bfloat16
    layer = StateCache(
        kind="mamba2", tensors=(StateTensor(columns=10, rows=(Split(size=4),), grows_with_speculation=True),)
    )
    assert state_bytes(layer, context("0.33.0", num_speculative_tokens=3)) == 4 * 13 * 2
    assert state_bytes(layer, context("0.33.0")) == 4 * 10 * 2


def latent(size: int) -> Member:
    return Member(
        spec=PageSpec(kind="latent", span="full", block_size=64, page_bytes=size, unpadded_bytes=size, latent=True),
        counts=(4,),
    )


def window(size: int) -> Member:
    spec = PageSpec(kind="window", span="window", block_size=64, page_bytes=size, unpadded_bytes=size, window=128)
    return Member(spec=spec, counts=(4,))


def test_a_latent_page_is_not_padded_beside_windows() -> None:
    # 300 does not divide 1000, so it would be padded; 500 does, and gets blocks twice as long; the largest stays
    assert _unified([latent(300), window(1000)]) is None
    longer = _unified([latent(500), window(1000)])
    assert longer is not None
    assert [(m.spec.block_size, m.spec.page_bytes, m.spec.unpadded_bytes) for m in longer] == [
        (128, 1000, 1000),
        (64, 1000, 1000),
    ]
    largest = _unified([latent(1000), window(300)])
    assert largest is not None
    assert [m.spec.page_bytes for m in largest] == [1000, 1000]
    assert [m.spec.block_size for m in largest] == [64, 64]
