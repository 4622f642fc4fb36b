"""Token and sequence budgets: the table of `engine/arg_utils.py:get_batch_defaults`, and what is derived from it."""

from __future__ import annotations

from typing import Any

import pytest

from vram.models.deployment import EngineArgs
from vram.units import GIB
from vram.vllm.defaults import BatchDefaults, Batched, batch_defaults, resolve_batch
from vram.vllm.versions import Version, behaviour

HOPPER = (9, 0)


@pytest.mark.parametrize(
    ("version", "gib", "name", "capability", "tokens", "seqs"),
    [
        ((0, 33, 0), 160, "NVIDIA B200", (10, 0), 16384, 1024),  # from 160 GiB on
        ((0, 28, 0), 192, "NVIDIA B200", (10, 0), 16384, 1024),
        ((0, 27, 1), 192, "NVIDIA B200", (10, 0), 8192, 1024),  # the tier is new in 0.28
        ((0, 33, 0), 141, "NVIDIA H200", HOPPER, 8192, 1024),
        ((0, 33, 0), 70, "NVIDIA H100", HOPPER, 8192, 1024),  # from 70 GiB on
        ((0, 33, 0), 69, "NVIDIA H100", HOPPER, 2048, 256),
        ((0, 33, 0), 80, "NVIDIA A100-SXM4-80GB", (8, 0), 2048, 256),  # A100 of any size is in the lowest
        ((0, 33, 0), 192, "NVIDIA A100-SXM4-80GB", (8, 0), 2048, 256),
        ((0, 33, 0), 120, "NVIDIA GB10", (12, 1), 2048, 256),
        ((0, 33, 0), 95, "NVIDIA RTX PRO 6000", (12, 0), 8192, 1024),
        ((0, 33, 0), 23, "NVIDIA L4", (8, 9), 2048, 256),
        ((0, 8, 5), 80, "NVIDIA H100", HOPPER, 8192, 1024),
        ((0, 8, 5), 80, "NVIDIA A100-SXM4-80GB", (8, 0), 8192, 1024),  # 0.8.5 asks for memory alone
        ((0, 9, 0), 80, "NVIDIA A100-SXM4-80GB", (8, 0), 2048, 256),
        ((0, 8, 4), 80, "NVIDIA H100", HOPPER, 8192, 1024),  # 0.8.4 for the name alone
        ((0, 8, 4), 180, "NVIDIA B200", (10, 0), 2048, 256),
        ((0, 8, 4), 23, "NVIDIA GeForce RTX 4090", (8, 9), 2048, 256),
        ((0, 8, 3), 23, "NVIDIA GeForce RTX 4090", (8, 9), 2048, 1024),  # and before it the sequences for nothing
    ],
)
def test_the_device_decides(
    version: Version, gib: int, name: str, capability: tuple[int, int], tokens: int, seqs: int
) -> None:
    found = batch_defaults(behaviour(version), gpu_memory_bytes=gib * GIB, device_name=name, capability=capability)
    assert found == BatchDefaults(max_num_batched_tokens=tokens, max_num_seqs=seqs)


def resolved(
    args: dict[str, Any], *, version: Version = (0, 33, 0), length: int = 8192, **more: Any
) -> tuple[int, int]:
    """(tokens, sequences) on an H100 with 80 GiB: 8192 and 1024 where nothing is asked."""
    batched = Batched(
        max_model_len=length, gpu_memory_bytes=80 * GIB, device_name="NVIDIA H100", capability=HOPPER, **more
    )
    found = resolve_batch(behaviour(version), EngineArgs(**args), batched)
    return found.max_num_batched_tokens, found.max_num_seqs


def test_what_is_asked_stays() -> None:
    assert resolved({"max_num_batched_tokens": 300, "max_num_seqs": 7}) == (300, 7)
    # a batch that was asked for is not cut to all sequences' tokens: only an open one is
    assert resolved({"max_num_batched_tokens": 5000, "max_num_seqs": 2}, length=100) == (5000, 2)


def test_an_open_batch_never_exceeds_all_sequences_tokens() -> None:
    # min(max_num_seqs × max_model_len, tokens)
    assert resolved({"max_num_seqs": 3}, length=1000) == (3000, 3)
    assert resolved({"max_num_seqs": 9}, length=1000) == (8192, 9)
    # 1024 sequences of 5 tokens by default
    assert resolved({}, length=5) == (5120, 1024)


def test_open_sequences_never_exceed_the_batch() -> None:
    assert resolved({"max_num_batched_tokens": 100}) == (100, 100)
    assert resolved({"max_num_batched_tokens": 2000}) == (2000, 1024)


def test_without_chunked_prefill_a_batch_holds_the_whole_context() -> None:
    assert resolved({"enable_chunked_prefill": False}, length=20_000) == (20_000, 1024)
    assert resolved({"enable_chunked_prefill": True}, length=20_000) == (8192, 1024)
    assert resolved({}, length=20_000) == (8192, 1024)
    assert resolved({}, length=20_000, chunked_prefill=False) == (20_000, 1024)  # encoder-only models
    assert resolved({"enable_chunked_prefill": True}, length=20_000, chunked_prefill=False) == (8192, 1024)
    assert resolved({"enable_chunked_prefill": False}, length=1000) == (8192, 1024)


def test_with_attention_to_whole_items_a_batch_holds_one_since_0_25() -> None:
    assert resolved({}, length=50_000, largest_item=9000) == (9000, 1024)
    assert resolved({}, length=50_000, largest_item=9000, version=(0, 24, 0)) == (8192, 1024)
    assert resolved({}, length=50_000, largest_item=100) == (8192, 1024)


@pytest.mark.parametrize(
    ("length", "args", "more", "tokens"),
    [
        (4096, {}, {}, 4096),  # V0 without chunked prefill takes a whole prompt
        (1000, {}, {}, 2048),  # of at least 2,048 tokens
        (32768, {}, {}, 32768),
        (32769, {}, {}, 2048),  # a longer one it splits by itself
        (32769, {"enable_chunked_prefill": False}, {}, 32769),
        (4096, {"enable_chunked_prefill": True}, {}, 2048),
        (4096, {"max_num_batched_tokens": 999}, {}, 999),
        # not with what could not be split then
        (40_000, {"enable_lora": True}, {}, 40_000),
        (40_000, {"speculative_config": {"model": "a/draft"}}, {}, 40_000),
        (40_000, {}, {"may_chunk_long": False}, 40_000),
        (40_000, {}, {"multimodal": True}, 40_000),
        (4096, {}, {"multimodal": True}, 5120),  # room for an image
        (512, {}, {"pooling": True}, 32768),
    ],
)
def test_the_v0_engine_takes_whole_prompts(
    length: int, args: dict[str, Any], more: dict[str, bool], tokens: int
) -> None:
    assert resolved(args, length=length, version=(0, 7, 3), v0_engine=True, **more) == (tokens, 256)
