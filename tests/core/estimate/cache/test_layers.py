"""Bytes of one layer on one rank, from the formulas of `kv_cache_interface.py`."""

from __future__ import annotations

from typing import Any

import pytest

from vram.errors import ConfigError, ParallelismError
from vram.estimate.cache.context import CacheContext
from vram.estimate.cache.layers import (
    attention_token_bytes,
    compressed_entry_bytes,
    index_entry_bytes,
    latent_token_bytes,
    local_kv_heads,
    state_bytes,
    state_dtype,
)
from vram.models.cache import AttentionCache, IndexerCache, LatentCache, StateCache, StateTensor
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Split
from vram.vllm.versions import behaviour, parse_version

AUTO = KVCacheDtype(name="auto")
FP8 = KVCacheDtype(name="fp8", bits=8, sparse_latent_token_bytes=656)
BF16 = KVCacheDtype(name="bfloat16", bits=16)


def context(version: str = "0.33.0", **changes: Any) -> CacheContext:
    defaults: dict[str, Any] = {
        "dtype": "bfloat16", "kv_dtype": AUTO, "max_model_len": 4096, "max_num_seqs": 8,
        "max_num_batched_tokens": 2048,
    }  # fmt: skip
    return CacheContext(behaviour=behaviour(parse_version(version)), **{**defaults, **changes})


@pytest.mark.parametrize(("heads", "tp", "local"), [(8, 1, 8), (8, 2, 4), (8, 8, 1), (8, 16, 1), (2, 8, 1), (6, 3, 2)])
def test_kv_heads_are_shared_out_and_repeated_beyond_their_number(heads: int, tp: int, local: int) -> None:
    # max(1, total_kv_heads // tp)
    assert local_kv_heads(heads, tp) == local


@pytest.mark.parametrize(("heads", "tp"), [(8, 3), (8, 12), (6, 4)])
def test_kv_heads_that_do_not_divide_either_way_are_refused(heads: int, tp: int) -> None:
    with pytest.raises(ParallelismError):
        local_kv_heads(heads, tp)


def attention(heads: int, key: int, value: int, **more: Any) -> AttentionCache:
    return AttentionCache(kind="full_attention", num_kv_heads=heads, head_size=key, head_size_v=value, **more)


def test_a_token_is_a_key_and_a_value_per_head() -> None:
    assert attention_token_bytes(attention(8, 128, 64), context()) == 8 * (128 + 64) * 2
    assert attention_token_bytes(attention(8, 128, 64), context(tensor_parallel_size=4)) == 2 * (128 + 64) * 2
    assert attention_token_bytes(attention(8, 128, 64), context(kv_dtype=FP8)) == 8 * (128 + 64)
    assert attention_token_bytes(attention(8, 128, 64, unquantized=True), context(kv_dtype=FP8)) == 8 * (128 + 64) * 2
    assert attention_token_bytes(attention(8, 128, 64, states_per_token=4), context()) == 4 * 8 * (128 + 64) * 2
    # the smallest that there may be: one head of one feature, and a value of none
    assert attention_token_bytes(attention(1, 1, 0), context()) == 2


@pytest.mark.parametrize(("heads", "key", "value"), [(8, 0, 64), (8, 64, -1), (0, 64, 64)])
def test_heads_without_features_are_a_broken_config(heads: int, key: int, value: int) -> None:
    with pytest.raises(ConfigError, match="without features"):
        attention_token_bytes(attention(heads, key, value), context())


@pytest.mark.parametrize(
    ("capability", "version", "dtype", "expected"),
    [
        ((9, 0), "0.33.0", FP8, 656),  # FlashMLA: 512 fp8 + 16 of scales + 128 of rotary bf16
        ((9, 0), "0.33.0", AUTO, 1152),
        ((10, 0), "0.33.0", FP8, 576),  # FlashInfer keeps plain fp8
        ((10, 0), "0.17.1", FP8, 656),
        ((10, 0), "0.18.0", FP8, 576),
        ((12, 0), "0.33.0", FP8, 656),
        ((11, 0), "0.33.0", FP8, 656),
    ],
)
def test_sparse_latent_vectors_are_packed_by_some_backends(
    capability: tuple[int, int], version: str, dtype: KVCacheDtype, expected: int
) -> None:
    where = context(version, compute_capability=capability, kv_dtype=dtype)
    assert latent_token_bytes(LatentCache(kv_lora_rank=512, qk_rope_head_dim=64, sparse=True), where) == expected
    # a dense latent layer never is: 576 numbers
    dense = 576 if dtype is FP8 else 1152
    assert latent_token_bytes(LatentCache(kv_lora_rank=512, qk_rope_head_dim=64), where) == dense


def test_the_rtx_backend_packs_the_default_dtype_too() -> None:
    packed = KVCacheDtype(name="auto", sparse_latent_token_bytes=656)
    sparse = LatentCache(kv_lora_rank=512, qk_rope_head_dim=64, sparse=True)
    assert latent_token_bytes(sparse, context(compute_capability=(12, 0), kv_dtype=packed)) == 656
    assert latent_token_bytes(sparse, context(compute_capability=(9, 0), kv_dtype=packed)) == 1152


def test_an_index_key_has_a_scale_per_128_numbers() -> None:
    # DeepSeek-V3.2: 128 fp8 numbers and 4 bytes
    assert index_entry_bytes(IndexerCache(head_dim=128)) == 132
    assert index_entry_bytes(IndexerCache(head_dim=256)) == 256 + 8
    assert index_entry_bytes(IndexerCache(head_dim=127)) == 127


def test_a_compressed_vector_keeps_its_rotary_part_in_bf16() -> None:
    # DeepSeek-V4: 448 fp8 + 64 × 2 + 8 scale bytes
    assert compressed_entry_bytes(512, context()) == 448 + 128 + 8 == 584
    assert compressed_entry_bytes(512, context(kv_dtype=FP8)) == 584
    assert compressed_entry_bytes(512, context(kv_dtype=BF16)) == 1024  # only an unquantized request is not packed
    assert compressed_entry_bytes(512, context(kv_dtype=KVCacheDtype(name="x", bits=15))) == 584


def test_states_follow_the_mamba_dtypes() -> None:
    # mamba_utils.py: conv auto is the model's dtype, ssm auto is conv's
    plain, conv = context(), context(mamba_cache_dtype="float32")
    assert (state_dtype("conv", plain), state_dtype("ssm", plain)) == ("bfloat16", "bfloat16")
    assert (state_dtype("conv", conv), state_dtype("ssm", conv)) == ("float32", "float32")
    ssm = context(mamba_ssm_cache_dtype="float32")
    assert (state_dtype("conv", ssm), state_dtype("ssm", ssm)) == ("bfloat16", "float32")
    assert state_dtype("float16", context(mamba_cache_dtype="float32", mamba_ssm_cache_dtype="float32")) == "float16"


def test_a_state_is_rows_by_columns_over_the_ranks() -> None:
    layer = StateCache(
        kind="mamba2",
        tensors=(
            StateTensor(columns=3, rows=(Split(size=64), Split(size=16)), grows_with_speculation=True),
            StateTensor(columns=16, rows=(Split(size=64),), dtype="ssm"),
        ),
    )
    where = context(tensor_parallel_size=2, mamba_ssm_cache_dtype="float32", num_speculative_tokens=5)
    assert state_bytes(layer, where) == (32 + 8) * (3 + 5) * 2 + 32 * 16 * 4
