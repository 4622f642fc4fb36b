"""The KV cache plan, its inverse answers and the numbers people can check by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vram.errors import ParallelismError
from vram.estimate.cache.plan import (
    CacheContext,
    Refusal,
    max_context,
    max_requests,
    plan_kv_cache,
    required_bytes,
)
from vram.models.cache import AttentionCache, CacheLayer, IndexerCache, LatentCache, StateCache, StateTensor
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Split
from vram.units import GIB
from vram.vllm.versions import behaviour, parse_version

AUTO = KVCacheDtype(name="auto")
FP8 = KVCacheDtype(name="fp8", bits=8, sparse_latent_token_bytes=656)

FULL = AttentionCache(kind="full_attention", num_kv_heads=8, head_size=128, head_size_v=128)
WINDOW = AttentionCache(kind="sliding_window", num_kv_heads=8, head_size=128, head_size_v=128, window=1024)
LATENT = LatentCache(kv_lora_rank=512, qk_rope_head_dim=64)
LLAMA_8B = (((FULL, 32),),)
GEMMA_LIKE = (((WINDOW, 52), (FULL, 10)),)


def context(version: str = "0.33.0", **changes: Any) -> CacheContext:
    defaults = {
        "dtype": "bfloat16", "kv_dtype": AUTO, "max_model_len": 131072, "max_num_seqs": 256,
        "max_num_batched_tokens": 8192,
    }  # fmt: skip
    return CacheContext(behaviour=behaviour(parse_version(version)), **{**defaults, **changes})


def test_full_attention_divides_memory_by_blocks_of_16_tokens() -> None:
    # 32 layers × 8 heads × (128 + 128) × 2 bytes = 131072 bytes a token, 2 MiB a block; 50 GiB / 2 MiB = 25600
    plan = plan_kv_cache(LLAMA_8B, (50 * GIB,), context())

    assert plan.bytes_per_token == 131072
    assert plan.bytes_per_block == 2 * 2**20
    assert plan.num_blocks == 25600
    assert plan.tokens == 409_600
    assert plan.max_concurrency == 3.125
    assert plan.refusal is None


def test_windows_get_groups_of_their_own_and_keep_tokens_in_flight() -> None:
    # 10 full layers set the group size: 6 groups of windows; blocks of 10 × 64 KiB: 30 GiB / 640 KiB = 49152.
    # A request takes 131072 / 16 = 8192 blocks and 6 × (ceil((1023 + 2 · 8192) / 16) + 1) = 6 × 1089.
    plan = plan_kv_cache(GEMMA_LIKE, (30 * GIB,), context())

    assert [group.layers for group in plan.groups] == [9, 9, 9, 9, 8, 8, 10]
    assert plan.num_blocks == 49152
    assert plan.max_concurrency == 49152 / (8192 + 6 * 1089)
    assert plan.tokens == int(plan.max_concurrency * 131072) == 437_488


def test_without_the_hybrid_manager_windows_keep_every_token() -> None:
    # one group of 62: 30 GiB / (62 × 64 KiB) = 7927 blocks (start-up log of such a model: 7 groups become 1)
    plan = plan_kv_cache(GEMMA_LIKE, (30 * GIB,), context(disable_hybrid_kv_cache_manager=True))

    assert [(group.kind, group.layers) for group in plan.groups] == [("full_attention", 62)]
    assert plan.num_blocks == 7927


def test_latent_attention_is_whole_on_every_rank() -> None:
    # (512 + 64) × 2 bytes × 61 layers, whatever the tensor parallelism; 8 H200 with 41.60 GiB: log says 635,648
    plan = plan_kv_cache((((LATENT, 61),),), (int(41.6 * GIB),), context("0.11.2", tensor_parallel_size=8))

    assert plan.bytes_per_token == 61 * 1152
    assert plan.block_size == 64
    assert plan.tokens == pytest.approx(635_648, rel=2e-4)


def test_a_sparse_indexer_shares_blocks_with_its_latent_layers() -> None:
    # GLM-5 on H100, fp8: 78 × 64 × (656 + 132) bytes a block; vLLM 0.32: 5459 blocks of 20 GiB
    layers = (
        (IndexerCache(head_dim=128), 78),
        (LatentCache(kv_lora_rank=512, qk_rope_head_dim=64, sparse=True), 78),
    )
    plan = plan_kv_cache((layers,), (20 * GIB,), context("0.32.0", kv_dtype=FP8))

    assert plan.bytes_per_block == 78 * 64 * 788
    assert plan.num_blocks == 5459
    assert len(plan.groups) == 1


def test_recurrent_state_makes_attention_blocks_longer() -> None:
    # Jamba on A100 (vLLM 0.32: blocks of 80): a state of 3 × 8192 + 8192 × 16 numbers, 311,296 bytes, and 4096 bytes
    # a token: 76 tokens, in steps of 16: 80. Eight groups of 4 layers; a request's state takes 2 blocks.
    state = StateCache(
        kind="mamba1",
        tensors=(
            StateTensor(rows=(Split(size=8192),), columns=3),
            StateTensor(rows=(Split(size=8192),), columns=16, dtype="ssm"),
        ),
    )
    ranks = (((state, 28), (FULL, 4)),)
    plan = plan_kv_cache(
        ranks, (6 * GIB,), context("0.32.0", max_model_len=1024, max_num_batched_tokens=2048, compute_capability=(8, 0))
    )

    assert plan.block_size == 80
    assert {group.page_bytes for group in plan.groups} == {327_680}
    assert plan.num_blocks == 4915
    assert plan.max_concurrency == 4915 / (7 * 2 + 13)


def test_too_long_a_context_is_refused_with_vllms_estimate() -> None:
    # 10 GiB are 5120 blocks; one is the null block: 5119 × 16 tokens
    plan = plan_kv_cache(LLAMA_8B, (10 * GIB,), context())

    assert plan.refusal is Refusal.TOO_LONG
    assert plan.estimated_max_model_len == 81904
    assert plan.needed_bytes == 16 * GIB


@pytest.mark.parametrize(("version", "estimate"), [("0.28.0", 81920), ("0.29.0", 81904)])
def test_the_null_block_is_reserved_since_0_29(version: str, estimate: int) -> None:
    assert plan_kv_cache(LLAMA_8B, (10 * GIB,), context(version)).estimated_max_model_len == estimate


def test_no_memory_left_is_refused_as_such() -> None:
    plan = plan_kv_cache(LLAMA_8B, (-3 * GIB,), context())

    assert plan.refusal is Refusal.NO_MEMORY
    assert (plan.num_blocks, plan.tokens, plan.estimated_max_model_len) == (0, 0, None)


def test_auto_fit_shortens_the_context_to_what_fits() -> None:
    plan = plan_kv_cache(LLAMA_8B, (10 * GIB,), context(auto_fit_max_model_len=True))

    assert plan.refusal is None
    assert plan.max_model_len == 81904


def test_auto_fit_without_room_for_a_token_is_refused() -> None:
    plan = plan_kv_cache(LLAMA_8B, (3 * 2**20,), context(auto_fit_max_model_len=True))

    assert plan.refusal is Refusal.AUTO_FIT


def test_an_override_of_blocks_decides_instead_of_memory() -> None:
    plan = plan_kv_cache(LLAMA_8B, (50 * GIB,), context(max_model_len=4096, num_gpu_blocks_override=777))

    assert plan.num_blocks == 777
    assert plan.tokens == int(777 / 256 * 4096)


def test_the_smallest_pipeline_rank_decides() -> None:
    ranks = (((FULL, 20),), ((FULL, 12),))
    plan = plan_kv_cache(ranks, (10 * GIB, 10 * GIB), context(pipeline_parallel_size=2, max_model_len=8192))

    assert plan.num_blocks == 10 * GIB // (20 * 65536)
    assert plan.bytes_per_block == 20 * 65536


def test_more_sequences_than_state_blocks_are_refused_with_full_graphs() -> None:
    state = StateCache(kind="mamba2", tensors=(StateTensor(rows=(Split(size=2**20),), columns=1),))
    ranks = (((state, 64),),)
    few = plan_kv_cache(ranks, (10 * GIB,), context(max_num_seqs=100))
    eager = plan_kv_cache(ranks, (10 * GIB,), context(max_num_seqs=100, full_cuda_graphs=False))

    assert few.num_blocks == 80
    assert few.refusal is Refusal.MAMBA_BLOCKS
    assert eager.refusal is None


def test_a_model_without_cache_needs_none() -> None:
    plan = plan_kv_cache(((),), (10 * GIB,), context())

    assert (plan.num_blocks, plan.tokens, plan.refusal) == (1, 0, None)
    assert required_bytes(((),), context(), context_len=8192, concurrency=7) == 0


def test_decode_context_parallelism_shares_tokens_out() -> None:
    one = plan_kv_cache((((LATENT, 61),),), (40 * GIB,), context(tensor_parallel_size=8))
    four = plan_kv_cache(
        (((LATENT, 61),),), (40 * GIB,), context(tensor_parallel_size=8, decode_context_parallel_size=4)
    )

    assert four.max_concurrency == pytest.approx(4 * one.max_concurrency, rel=1e-3)


def test_kv_heads_that_do_not_divide_are_an_error_in_words() -> None:
    with pytest.raises(ParallelismError, match="8 cannot be divided"):
        plan_kv_cache(LLAMA_8B, (10 * GIB,), context(tensor_parallel_size=3))


def test_turboquant_leaves_two_layers_at_each_end_alone() -> None:
    # vLLM 0.32, Llama 3.1 8B, 8 GiB: 28 layers of 134 bytes and 4 of 512 per head and token, in blocks of 32
    dtype = KVCacheDtype(
        name="turboquant_4bit_nc", bits=4, key_extra_bytes=2, value_extra_bytes=4, slot_alignment=2,
        latent=False, unquantized_ends=2,
    )  # fmt: skip
    plan = plan_kv_cache(LLAMA_8B, (8 * GIB,), context("0.32.0", max_model_len=16384, kv_dtype=dtype))

    assert plan.block_size == 32
    assert (plan.num_blocks, plan.tokens) == (5785, 185_120)


def test_the_v0_engine_counts_every_token_of_every_layer() -> None:
    # one block of 62 layers × 64 KiB; 0.7 prints blocks × 16 / max_model_len and knows no null block
    plan = plan_kv_cache(GEMMA_LIKE, (40 * GIB,), context("0.7.3", max_model_len=65536))

    assert plan.num_blocks == 40 * GIB // (62 * 65536)
    assert plan.max_concurrency == plan.num_blocks * 16 / 65536


def test_steps_in_flight_depend_on_the_model_runner_with_pipeline_ranks() -> None:
    # config/vllm.py:max_concurrent_batches: V2 runs one batch ahead, V1 only without pipeline parallelism
    two = {"pipeline_parallel_size": 2}

    assert context(**two).in_flight_tokens == 3 * 8192
    assert context(**two, model_runner_v2=False).in_flight_tokens == 2 * 8192
    assert context(model_runner_v2=False).in_flight_tokens == 2 * 8192
    assert context(runner="pooling").in_flight_tokens == 8192
    assert context("0.25.1", **two).in_flight_tokens == 8192


def test_an_old_gpu_still_gets_the_v0_engine_after_0_8() -> None:
    plan = plan_kv_cache(GEMMA_LIKE, (40 * GIB,), context("0.9.2", max_model_len=65536, v0_engine=True))

    assert plan.num_blocks == 40 * GIB // (62 * 65536)
    assert plan.tokens == plan.num_blocks * 16


KINDS: list[CacheLayer] = [
    FULL,
    WINDOW,
    AttentionCache(kind="chunked_local", num_kv_heads=4, head_size=64, head_size_v=64, window=8192),
    AttentionCache(kind="full_attention", num_kv_heads=2, head_size=192, head_size_v=128),
    StateCache(kind="gated_delta_net", tensors=(StateTensor(rows=(Split(size=2**19),), columns=1),)),
]
MODELS = st.lists(
    st.tuples(st.sampled_from(KINDS), st.integers(1, 40)), min_size=1, max_size=4, unique_by=lambda x: x[0]
)
VERSIONS = st.sampled_from(["0.7.3", "0.9.2", "0.11.2", "0.14.1", "0.19.1", "0.25.1", "0.28.0", "0.33.0"])


@given(model=MODELS, version=VERSIONS, length=st.integers(1, 200_000), more=st.integers(0, 5000), n=st.integers(1, 300))
def test_more_context_or_more_requests_never_need_less(
    model: list[tuple[CacheLayer, int]], version: str, length: int, more: int, n: int
) -> None:
    ranks = (tuple(model),)
    need = required_bytes(ranks, context(version), context_len=length, concurrency=n)

    assert required_bytes(ranks, context(version), context_len=length + more, concurrency=n) >= need
    assert required_bytes(ranks, context(version), context_len=length, concurrency=n + 1) >= need


@given(model=MODELS, version=VERSIONS, memory=st.integers(0, 200 * GIB), n=st.integers(1, 300))
def test_the_longest_context_fits_and_one_token_more_does_not(
    model: list[tuple[CacheLayer, int]], version: str, memory: int, n: int
) -> None:
    ranks, upper = (tuple(model),), 10**6
    plan = plan_kv_cache(ranks, (memory,), context(version))
    pool = plan.num_blocks * plan.bytes_per_block

    length = max_context(ranks, (memory,), context(version), concurrency=n, upper=upper)

    if length:
        assert required_bytes(ranks, context(version), context_len=length, concurrency=n) <= pool
    if length < upper:
        assert required_bytes(ranks, context(version), context_len=length + 1, concurrency=n) > pool


@given(model=MODELS, version=VERSIONS, memory=st.integers(0, 200 * GIB), length=st.integers(1, 300_000))
def test_the_most_requests_fit_and_one_more_does_not(
    model: list[tuple[CacheLayer, int]], version: str, memory: int, length: int
) -> None:
    ranks = (tuple(model),)
    plan = plan_kv_cache(ranks, (memory,), context(version))
    assume(plan.groups)  # the V0 engine keeps recurrent state outside the cache

    requests = max_requests(ranks, (memory,), context(version), context_len=length)

    pool = plan.num_blocks * plan.bytes_per_block
    if requests:
        assert required_bytes(ranks, context(version), context_len=length, concurrency=requests) <= pool
    assert required_bytes(ranks, context(version), context_len=length, concurrency=requests + 1) > pool


@settings(max_examples=50)
@given(model=MODELS, version=VERSIONS, memory=st.integers(GIB, 100 * GIB))
def test_a_refused_length_would_start_at_the_estimate(
    model: list[tuple[CacheLayer, int]], version: str, memory: int
) -> None:
    ranks = (tuple(model),)
    plan = plan_kv_cache(ranks, (memory,), context(version, max_model_len=10**6))
    if plan.estimated_max_model_len is None:
        return

    at = plan.estimated_max_model_len
    assert plan_kv_cache(ranks, (memory,), context(version, max_model_len=at)).refusal in (None, Refusal.MAMBA_BLOCKS)
    assert plan_kv_cache(ranks, (memory,), context(version, max_model_len=at + 1)).refusal is Refusal.TOO_LONG


def test_the_dtype_is_the_models_unless_the_cache_has_its_own() -> None:
    assert plan_kv_cache(LLAMA_8B, (50 * GIB,), context()).dtype == "bfloat16"
    assert plan_kv_cache(LLAMA_8B, (50 * GIB,), context(kv_dtype=FP8)).dtype == "fp8"


def test_a_model_without_cache_asks_for_no_byte() -> None:
    plan = plan_kv_cache(((),), (10 * GIB,), context())
    assert (plan.needed_bytes, plan.bytes_per_block, plan.bytes_per_token, plan.max_concurrency) == (0, 0, 0, 0.0)
    assert max_requests(((),), (0,), context(), context_len=1) == 256  # as many as may be served at once
    assert max_context(((),), (0,), context(), concurrency=9, upper=777) == 777


def test_what_requests_need_is_the_most_loaded_ranks() -> None:
    # blocks of 20 × 65536 and 12 × 65536 bytes; 3 requests of 8192 / 16 = 512 blocks, and the null block
    ranks = (((FULL, 12),), ((FULL, 20),))
    where = context(pipeline_parallel_size=2)
    assert required_bytes(ranks, where, context_len=8192, concurrency=3) == (3 * 512 + 1) * 20 * 65536
    plan = plan_kv_cache(ranks, (10 * GIB, 10 * GIB), context(pipeline_parallel_size=2, max_model_len=8192))
    assert (plan.needed_bytes, plan.bytes_per_block) == (512 * 20 * 65536, 20 * 65536)
    turned = plan_kv_cache(ranks[::-1], (10 * GIB, 10 * GIB), context(pipeline_parallel_size=2, max_model_len=8192))
    assert turned.needed_bytes == plan.needed_bytes
    # the V0 engine holds no null block back
    old = context("0.7.3", pipeline_parallel_size=2)
    assert required_bytes(ranks, old, context_len=8192, concurrency=3) == 3 * 512 * 20 * 65536


def test_exactly_the_null_block_is_no_memory_and_one_more_is_too_little() -> None:
    # a block of Llama 3.1 8B is 2 MiB; check_mem = available - a block <= 0 is refused as such
    block = 2 * 2**20
    assert plan_kv_cache(LLAMA_8B, (block,), context()).refusal is Refusal.NO_MEMORY
    assert plan_kv_cache(LLAMA_8B, (block + 1,), context()).refusal is Refusal.TOO_LONG
    assert plan_kv_cache(LLAMA_8B, (0,), context("0.28.0")).refusal is Refusal.NO_MEMORY
    assert plan_kv_cache(LLAMA_8B, (1,), context("0.28.0")).refusal is Refusal.TOO_LONG


def test_a_request_of_one_token_takes_one_block() -> None:
    plan = plan_kv_cache(LLAMA_8B, (10 * GIB,), context(max_model_len=1))
    assert (plan.max_concurrency, plan.tokens) == (5120.0, 5120)


def test_a_length_that_does_not_fit_at_all_serves_nobody() -> None:
    plan = plan_kv_cache(LLAMA_8B, (3 * 2**20,), context(auto_fit_max_model_len=True))
    assert (plan.max_model_len, plan.max_concurrency, plan.tokens) == (0, 0.0, 0)


def test_as_many_sequences_as_state_blocks_are_enough() -> None:
    state = StateCache(kind="mamba2", tensors=(StateTensor(rows=(Split(size=2**20),), columns=1),))
    ranks = (((state, 64),),)  # 80 blocks of 128 MiB in 10 GiB
    assert plan_kv_cache(ranks, (10 * GIB,), context(max_num_seqs=80)).refusal is None
    assert plan_kv_cache(ranks, (10 * GIB,), context(max_num_seqs=81)).refusal is Refusal.MAMBA_BLOCKS
    assert plan_kv_cache(ranks, (10 * GIB,), context("0.18.0", max_num_seqs=81)).refusal is None


def test_a_group_of_two_sizes_is_described_by_the_larger_page() -> None:
    # GLM-5: latent pages of 64 × 656 bytes and an indexer's of 64 × 132
    layers = (
        (IndexerCache(head_dim=128), 78),
        (LatentCache(kv_lora_rank=512, qk_rope_head_dim=64, sparse=True), 78),
    )
    plan = plan_kv_cache(
        (layers,),
        (20 * GIB,),
        context(
            "0.32.0",
            kv_dtype=FP8,
        ),
    )
    assert [group.page_bytes for group in plan.groups] == [64 * 656]


def test_an_override_is_memory_to_the_check_since_0_20_1() -> None:
    # 100 blocks hold 1600 tokens, whatever the memory is; before, the check looked at the memory
    asked = {"max_model_len": 4096, "num_gpu_blocks_override": 100}
    assert plan_kv_cache(LLAMA_8B, (50 * GIB,), context("0.20.0", **asked)).refusal is None
    since = plan_kv_cache(LLAMA_8B, (50 * GIB,), context("0.20.1", **asked))
    assert (since.refusal, since.estimated_max_model_len) == (Refusal.TOO_LONG, 1600)
    assert since.num_blocks == 100


def test_tokens_before_0_20_1_are_blocks_shared_out_over_the_groups() -> None:
    # Gemma-like under 0.20.0: 7 groups of 10 × 64 KiB; 30 GiB are 49152 blocks, a seventh of them of 16 tokens
    plan = plan_kv_cache(GEMMA_LIKE, (30 * GIB,), context("0.20.0", max_model_len=8192))
    assert plan.tokens == 49152 // 7 * 16
    shared = plan_kv_cache(
        GEMMA_LIKE, (30 * GIB,), context("0.20.0", max_model_len=8192, decode_context_parallel_size=2)
    )
    assert shared.tokens == 49152 // 7 * 16 * 2


def test_requests_that_fill_the_pool_to_the_last_block_fit() -> None:
    # 10 GiB are 5120 blocks, one of them the null block; a request of 8192 tokens has 512
    where = context(max_model_len=8192)
    assert max_requests(LLAMA_8B, (10 * GIB,), where, context_len=8192) == 9
    assert max_requests(LLAMA_8B, (10 * GIB + 2 * 2**20,), where, context_len=8192) == 10
    assert max_context(LLAMA_8B, (10 * GIB,), where, concurrency=10, upper=10**6) == 5119 // 10 * 16
    assert max_requests(LLAMA_8B, (0,), where, context_len=8192) == 0
