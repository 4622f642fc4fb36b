"""Pages of single layers: what a block of each kind takes, and how many blocks a state has."""

from __future__ import annotations

from typing import Any

import pytest

from vram.estimate.cache.specs import PageSpec, resolve_specs
from vram.models.cache import (
    AttentionCache,
    CacheLayer,
    CompressedCache,
    CompressorCache,
    IndexerCache,
    LatentCache,
    StateCache,
    StateTensor,
    WindowedLatentCache,
)
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Split

BF16 = KVCacheDtype(name="bfloat16", bits=16)
FULL = AttentionCache(kind="full_attention", num_kv_heads=2, head_size=128, head_size_v=128)
TOKEN = 2 * (128 + 128) * 2  # bytes of one token in it


def kind(name: Any, window: int | None = 1000, head: int = 128) -> AttentionCache:
    return AttentionCache(kind=name, num_kv_heads=2, head_size=head, head_size_v=head, window=window)


def state(name: Any, elements: int = 500) -> StateCache:
    return StateCache(kind=name, tensors=(StateTensor(columns=elements, rows=(Split(size=1),)),))


@pytest.fixture
def page(make_context):
    """The page of the first of some layers."""

    def one(*layers: CacheLayer, **context: Any) -> PageSpec:
        return resolve_specs(layers, make_context(**context))[0]

    return one


@pytest.mark.parametrize(
    ("layer", "span", "window"),
    [
        (FULL, "full", 0),
        (kind("sliding_window"), "window", 1000),
        (kind("chunked_local"), "chunk", 1000),
        (kind("sliding_window", None), "full", 0),  # nothing is said about its length
        (kind("chunked_local", None), "full", 0),
        (kind("full_attention", 1000), "full", 1000),
        (kind("cross_attention", None), "encoder", 0),
    ],
)
def test_kinds_of_attention_keep_every_token_a_window_a_chunk_or_the_encoders(page, layer, span, window) -> None:
    found = page(layer)
    assert (found.span, found.window, found.block_size, found.page_bytes) == (span, window, 16, 16 * TOKEN)
    assert (found.latent, found.packed, found.state_blocks, found.state_per_block) == (False, False, 0, False)


def test_the_v0_engine_keeps_every_token_of_all_but_cross_attention(page) -> None:
    for name in ("sliding_window", "chunked_local", "full_attention"):
        assert page(kind(name), version="0.7.3").span == "full"
    assert page(kind("cross_attention", None), version="0.7.3").span == "encoder"


@pytest.mark.parametrize(
    ("version", "block"),
    [
        ("0.24.0", 64),  # --block-size for all
        ("0.25.0", 16),  # a window has the kernel's smallest block
        ("0.29.0", 16),
        ("0.30.0", 64),  # the largest that fits the page of the others
    ],
)
def test_windows_choose_their_own_blocks(page, version, block) -> None:
    found = page(kind("sliding_window"), FULL, version=version, block_size=64)
    assert (found.block_size, found.page_bytes) == (block, block * TOKEN)
    assert page(FULL, kind("sliding_window"), version=version, block_size=64).block_size == 64


def test_a_latent_layer_may_have_a_window(page) -> None:
    whole = page(LatentCache(kv_lora_rank=512, qk_rope_head_dim=64))
    assert (whole.kind, whole.span, whole.window, whole.latent) == ("mla_attention", "full", 0, True)
    windowed = page(LatentCache(kv_lora_rank=512, qk_rope_head_dim=64, window=128))
    assert (windowed.kind, windowed.span, windowed.window) == ("sliding_window_mla", "window", 128)
    assert whole.page_bytes == windowed.page_bytes == 16 * 1152


@pytest.mark.parametrize(("version", "token"), [("0.6.6", 1152), ("0.7.0", 1280), ("0.7.3", 1280), ("0.8.0", 1152)])
def test_v0_of_0_7_rounded_latent_vectors_up_to_256_bytes(page, version, token) -> None:
    # VLLM_CUDA_MEM_ALIGN_KV_CACHE: 576 × 2 = 1152 bytes become 5 × 256
    layer = LatentCache(kv_lora_rank=512, qk_rope_head_dim=64)
    found = page(layer, version=version, compute_capability=(8, 0))
    assert found.page_bytes == 16 * token


def test_packed_pages_are_rounded_up_to_rows(page) -> None:
    # DeepSeek-V4, blocks of 256 tokens: packed rows of 576 bytes, plain ones of 512
    compressed = CompressedCache(head_dim=512, tokens_per_state=128)
    found = page(compressed)
    assert (found.page_bytes, found.unpadded_bytes) == (3 * 576, 2 * 584)  # 1168 of 1728
    plain = page(CompressedCache(head_dim=500, tokens_per_state=128), kv_dtype=BF16)
    assert (plain.page_bytes, plain.unpadded_bytes) == (4 * 512, 2 * 1000)  # 2000 of 2048
    assert (found.span, found.window, found.kind, found.packed, found.latent) == (
        "full",
        0,
        "mla_attention",
        True,
        True,
    )


def test_windowed_and_compressor_layers_have_blocks_of_their_own(page) -> None:
    recent = page(WindowedLatentCache(head_dim=512, window=128, block_size=64))
    assert (recent.block_size, recent.unpadded_bytes, recent.page_bytes) == (64, 64 * 584, 65 * 576)  # 37,376 of 37,440
    assert (recent.span, recent.window, recent.kind) == ("window", 128, "sliding_window_mla")
    compressor = page(CompressorCache(width=100, window=8, block_size=4))
    assert (compressor.block_size, compressor.unpadded_bytes, compressor.page_bytes) == (4, 4 * 100 * 4, 3 * 576)
    assert (compressor.span, compressor.window) == ("window", 8)


def test_an_indexer_keeps_an_entry_per_so_many_tokens(page) -> None:
    latent = LatentCache(kv_lora_rank=512, qk_rope_head_dim=64, sparse=True)
    plain = page(IndexerCache(head_dim=128), latent)
    assert (plain.block_size, plain.page_bytes, plain.latent, plain.packed) == (64, 64 * 132, True, False)
    fewer = page(IndexerCache(head_dim=128, tokens_per_state=5), latent)
    assert fewer.page_bytes == 13 * 132  # ceil(64 / 5)
    packed = page(IndexerCache(head_dim=128, tokens_per_state=4, packed=True), latent)
    assert (packed.unpadded_bytes, packed.page_bytes, packed.packed) == (16 * 132, 4 * 576, True)


@pytest.mark.parametrize(
    ("version", "kind_", "caching", "capability", "blocks", "per_block"),
    [
        ("0.14.1", "mamba2", None, (9, 0), 1, False),  # mode none: speculation did not count
        ("0.15.0", "mamba2", None, (9, 0), 1 + 3, False),
        ("0.33.0", "mamba2", False, (9, 0), 1 + 3, False),
        ("0.24.0", "mamba2", True, (9, 0), 0, True),  # mode all: one per block of tokens
        ("0.25.0", "mamba2", True, (9, 0), 3, True),
        ("0.28.0", "mamba2", None, (9, 0), 2 + 3, False),  # mode align
        ("0.31.0", "mamba2", None, (9, 0), 2 + 3, False),
        ("0.32.0", "mamba2", None, (9, 0), 3 + 3, False),  # and a checkpoint
        ("0.32.0", "gated_delta_net", None, (9, 0), 2 + 3, False),
        ("0.33.0", "gated_delta_net", None, (9, 0), 3 + 3, False),
        ("0.33.0", "gated_delta_net", None, (8, 0), 2 + 3, False),  # kernels of Hopper and Blackwell only
        ("0.33.0", "mamba1", None, (9, 0), 2 + 3, False),
    ],
)
def test_blocks_of_a_state(page, version, kind_, caching, capability, blocks, per_block) -> None:
    found = page(
        state(kind_), FULL, version=version, enable_prefix_caching=caching, compute_capability=capability,
        num_speculative_tokens=3,
    )  # fmt: skip
    assert (found.state_blocks, found.state_per_block, found.span) == (blocks, per_block, "state")


def test_a_states_page_is_padded_to_the_attentions(page) -> None:
    # 500 bf16 numbers are 1000 bytes; beside attention one block of 16 tokens × 1024 bytes
    beside = page(state("mamba2"), FULL, version="0.27.0")
    assert (beside.page_bytes, beside.unpadded_bytes, beside.block_size) == (16 * TOKEN, 1000, 0)
    alone = page(state("mamba2"), version="0.27.0")
    assert (alone.page_bytes, alone.unpadded_bytes, alone.block_size) == (1000, 1000, 0)
    # in align mode a state has the attention's blocks
    assert page(state("mamba2"), FULL, version="0.28.0").block_size == 16
