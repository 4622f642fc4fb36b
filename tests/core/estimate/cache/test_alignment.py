"""How attention and recurrent state, or layers of two dtypes, come to share a page."""

from __future__ import annotations

from typing import Any

import pytest

from vram.estimate.cache.alignment import BlockSizes, _alignment_unit, resolve_block_sizes
from vram.models.cache import (
    AttentionCache,
    CompressedCache,
    IndexerCache,
    LatentCache,
    StateCache,
    StateTensor,
    WindowedLatentCache,
)
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Split


def attention(name: Any = "full_attention", head: int = 128, **more: Any) -> AttentionCache:
    return AttentionCache(kind=name, num_kv_heads=2, head_size=head, head_size_v=head, **more)


def state(name: Any = "mamba2", elements: int = 50_000) -> StateCache:
    """A state of 100,000 bytes in bfloat16."""
    return StateCache(kind=name, tensors=(StateTensor(columns=elements, rows=(Split(size=1),)),))


FULL = attention()  # 2 heads × (128 + 128) × 2 = 1024 bytes a token
WINDOW = attention("sliding_window", head=64, window=128)  # 512 bytes
LATENT = LatentCache(kv_lora_rank=512, qk_rope_head_dim=64)  # 1152 bytes
INT4 = KVCacheDtype(name="int4", bits=4)
FP8 = KVCacheDtype(name="fp8", bits=8)


@pytest.mark.parametrize(
    ("layers", "block"),
    [
        ((FULL,), 16),
        ((LATENT,), 64),  # FlashMLA
        ((FULL, IndexerCache(head_dim=128)), 64),
        ((LatentCache(kv_lora_rank=512, qk_rope_head_dim=64, sparse=True),), 64),
        ((LATENT, CompressedCache(head_dim=512, tokens_per_state=4)), 256),
        ((WindowedLatentCache(head_dim=512, window=128),), 256),
    ],
)
def test_the_layers_decide_the_backend(make_context, layers, block) -> None:
    assert resolve_block_sizes(layers, make_context("0.16.0")).attention == block


def test_full_attention_stands_for_a_hybrid_model_and_windows_where_there_is_none(make_context) -> None:
    # 100,000 bytes in steps of 16 tokens: ceil(100,000 / (16 × 1024)) = 7 steps; of 512 bytes a token 13
    where = make_context("0.19.0")
    assert resolve_block_sizes((WINDOW, state(), FULL), where).attention == 7 * 16
    assert resolve_block_sizes((FULL, state(), WINDOW), where).attention == 7 * 16
    assert resolve_block_sizes((WINDOW, state()), where).attention == 13 * 16
    # vLLM reckons with the head size on both sides: a narrower value does not make longer blocks
    narrow = AttentionCache(kind="full_attention", num_kv_heads=2, head_size=128, head_size_v=64)
    assert resolve_block_sizes((narrow, state()), where).attention == 7 * 16


@pytest.mark.parametrize(
    ("version", "kinds", "context", "mode"),
    [
        ("0.27.0", ("mamba2",), {}, "none"),
        ("0.28.0", ("mamba2",), {}, "align"),  # prefix caching by default
        ("0.28.0", ("mamba2",), {"enable_prefix_caching": False}, "none"),
        ("0.28.0", ("mamba2",), {"runner": "pooling"}, "align"),  # a decoder that pools its last token keeps prefixes
        ("0.28.0", ("mamba2",), {"is_hybrid": False}, "none"),
        ("0.14.1", ("gated_delta_net",), {"enable_prefix_caching": True}, "all"),
        ("0.15.0", ("gated_delta_net",), {"enable_prefix_caching": True}, "align"),
        ("0.15.0", ("mamba2", "mamba1"), {"enable_prefix_caching": True}, "all"),
        ("0.15.0", ("mamba2", "gated_delta_net"), {"enable_prefix_caching": True}, "align"),
        ("0.27.1", ("mamba2",), {"enable_prefix_caching": True}, "all"),
        ("0.28.0", ("mamba2",), {"enable_prefix_caching": True}, "align"),
    ],
)
def test_modes_of_states(make_context, version, kinds, context, mode) -> None:
    layers = (FULL, *(state(name) for name in kinds))
    assert resolve_block_sizes(layers, make_context(version, **context)).state_mode == mode


def test_a_model_of_states_alone_is_no_hybrid_unless_vllm_counts_its_class_among_them(make_context) -> None:
    assert resolve_block_sizes((state(),), make_context("0.28.0")).state_mode == "none"
    assert resolve_block_sizes((state(),), make_context("0.28.0", is_hybrid=True)).state_mode == "align"


def test_states_are_paged_since_0_9_2(make_context) -> None:
    assert resolve_block_sizes((FULL, state()), make_context("0.9.1")) == BlockSizes(attention=16, kernel=16)
    paged = resolve_block_sizes((FULL, state()), make_context("0.9.2"))
    assert (paged.attention, paged.state_page) == (112, 112 * 1024)


def test_a_state_without_bytes_aligns_nothing(make_context) -> None:
    assert resolve_block_sizes((FULL, state(elements=0)), make_context("0.20.0")).state_page is None
    one_byte = StateCache(kind="mamba2", tensors=(StateTensor(columns=1, rows=(Split(size=1),), dtype="int8"),))
    assert resolve_block_sizes((FULL, one_byte), make_context("0.20.0")).state_page == 16 * 1024


def test_a_state_per_block_of_tokens_takes_whole_chunks_of_the_kernel(make_context) -> None:
    # mode all: 1,000,000 bytes are 977 tokens of 1024 bytes; chunks of lcm(256, 16) make it 4 × 256
    sizes = resolve_block_sizes((FULL, state(elements=500_000)), make_context("0.20.0", enable_prefix_caching=True))
    assert (sizes.state_mode, sizes.attention, sizes.state_page) == ("all", 1024, 1024 * 1024)


def test_a_longer_block_that_is_asked_for_stays(make_context) -> None:
    sizes = resolve_block_sizes((FULL, state(elements=500)), make_context("0.20.0", block_size=64))
    assert (sizes.attention, sizes.state_page) == (64, 64 * 1024)


@pytest.mark.parametrize(
    ("version", "capability", "unit"),
    [
        ("0.11.0", (10, 0), 16),
        ("0.11.1", (10, 0), 32),  # FlashInfer on Blackwell with heads of 256
        ("0.19.1", (10, 3), 32),
        ("0.19.1", (12, 0), 16),
        ("0.20.0", (10, 0), 48),  # the larger of the kernel's and the model's block
    ],
)
def test_heads_of_256_on_blackwell_grow_by_32_from_0_11_1_to_0_19(make_context, version, capability, unit) -> None:
    where = make_context(version, compute_capability=capability)
    assert _alignment_unit(BlockSizes(attention=48, kernel=16), [], attention(head=256), where) == unit


@pytest.mark.parametrize(("version", "unit"), [("0.19.1", 64), ("0.20.0", 48), ("0.26.0", 48), ("0.27.0", 128)])
def test_latent_hybrids_have_a_least_block(make_context, version, unit) -> None:
    assert _alignment_unit(BlockSizes(attention=48, kernel=16), [], LATENT, make_context(version)) == unit


@pytest.mark.parametrize(
    ("version", "kinds", "capability", "mode", "unit"),
    [
        ("0.33.0", ("gated_delta_net",), (9, 0), "align", 192),  # lcm(48, 64): the kernel exports every 64 tokens
        ("0.33.0", ("gated_delta_net",), (10, 0), "align", 192),
        ("0.33.0", ("gated_delta_net",), (12, 0), "align", 192),
        ("0.33.0", ("gated_delta_net",), (8, 9), "align", 48),
        ("0.33.0", ("gated_delta_net",), (11, 0), "align", 48),
        ("0.33.0", ("gated_delta_net",), (13, 0), "align", 48),
        ("0.33.0", ("gated_delta_net", "mamba2"), (9, 0), "align", 48),
        ("0.33.0", ("gated_delta_net",), (9, 0), "none", 48),
        ("0.32.0", ("gated_delta_net",), (9, 0), "align", 48),
    ],
)
def test_qwens_states_are_exported_in_whole_chunks(make_context, version, kinds, capability, mode, unit) -> None:
    sizes = BlockSizes(attention=48, kernel=16, state_mode=mode)
    where = make_context(version, compute_capability=capability)
    assert _alignment_unit(sizes, [state(name) for name in kinds], FULL, where) == unit


def test_layers_left_at_the_models_dtype_lengthen_the_others_blocks_since_0_25(make_context) -> None:
    # fp8 beside bf16: twice the bytes a token, so blocks of 32 where the others' are 16
    layers = (FULL, attention(unquantized=True))
    for version, block, page in (("0.24.0", 16, None), ("0.25.0", 32, 32 * 512), ("0.33.0", 32, 32 * 512)):
        sizes = resolve_block_sizes(layers, make_context(version, kv_dtype=FP8))
        assert (sizes.attention, sizes.window_page, sizes.state_page) == (block, page, None), version
    same = resolve_block_sizes((FULL,), make_context(kv_dtype=FP8))
    assert (same.attention, same.window_page) == (16, None)
    # nothing to lengthen where the dtype is the model's anyway
    plain = resolve_block_sizes(layers, make_context())
    assert (plain.attention, plain.window_page) == (16, None)


def test_they_grow_by_blocks_that_were_asked_for(make_context) -> None:
    # four-bit numbers, 256 bytes a token, beside 1024: 16 × 1024 bytes are 64 tokens, in blocks of 48 they are 96
    layers = (FULL, attention(unquantized=True))
    sizes = resolve_block_sizes(layers, make_context(kv_dtype=INT4, block_size=48))
    assert (sizes.attention, sizes.window_page) == (96, 96 * 256)


def test_an_unquantized_first_layer_counts_a_byte_per_number(make_context) -> None:
    # 2 heads × 2 × 128 numbers are 512 bytes where four-bit ones would be 256: 16 × 1024 bytes are 32 tokens
    layers = (attention(unquantized=True), FULL)
    sizes = resolve_block_sizes(layers, make_context(kv_dtype=INT4))
    assert (sizes.attention, sizes.window_page) == (32, 32 * 512)
    shared = resolve_block_sizes(layers, make_context(kv_dtype=INT4, tensor_parallel_size=2))
    assert shared.window_page == 32 * 256


def test_a_states_page_covers_both(make_context) -> None:
    # the state of 100,000 bytes makes blocks of ceil(100,000 / (16 × 512)) = 13 × 16 tokens of fp8; then its page of
    # 208 × 512 is more than 16 bf16 tokens and rules
    layers = (FULL, attention(unquantized=True), state())
    sizes = resolve_block_sizes(layers, make_context("0.25.0", kv_dtype=FP8))
    assert (sizes.attention, sizes.state_page, sizes.window_page) == (208, 208 * 512, 208 * 512)
