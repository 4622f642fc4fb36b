"""A deployment as its cache sees it."""

from __future__ import annotations

from typing import Any

from vram.estimate.cache.context import CacheContext
from vram.models.kv_dtype import KVCacheDtype
from vram.vllm.cache_rules import cache_rules
from vram.vllm.versions import behaviour, parse_version


def context(version: str, **changes: Any) -> CacheContext:
    defaults: dict[str, Any] = {
        "dtype": "bfloat16", "kv_dtype": KVCacheDtype(name="auto"), "max_model_len": 4096,
        "max_num_seqs": 8, "max_num_batched_tokens": 2048,
    }  # fmt: skip
    return CacheContext(behaviour=behaviour(parse_version(version)), **{**defaults, **changes})


def test_the_v0_engine_plans_as_its_last_version_did() -> None:
    assert context("0.9.2", v0_engine=True).rules == cache_rules((0, 7, 3))
    assert context("0.9.2").rules == cache_rules((0, 9, 2)) != cache_rules((0, 7, 3))
    assert context("0.6.6").rules == cache_rules((0, 7, 3))


def test_v0_serves_before_0_8_and_where_the_deployment_says_so() -> None:
    assert context("0.7.3").uses_v0_engine
    assert not context("0.8.0").uses_v0_engine
    assert context("0.9.2", v0_engine=True).uses_v0_engine
    assert not context("0.7.3", v0_engine=False).uses_v0_engine


def test_one_gpu_without_speculation_is_the_default() -> None:
    plain = context("0.33.0")
    sizes = (plain.tensor_parallel_size, plain.pipeline_parallel_size, plain.decode_context_parallel_size)
    assert (sizes, plain.num_speculative_tokens) == ((1, 1, 1), 0)


def test_cross_attention_keeps_as_many_encoder_tokens_as_a_batch_has() -> None:
    # max_num_encoder_input_tokens = max_num_batched_tokens
    assert context("0.33.0").encoder_tokens == 2048
