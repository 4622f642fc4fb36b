"""vLLM's specs as pages: the kind, what its blocks hold, and the blocks a request needs of it (`kv_cache_interface.py`, 0.33.0)."""

from __future__ import annotations

from typing import Any

import pytest

from vram.models.cache import PageSpec
from vram_plugins.ask_vllm.pages import read_page


def said(
    *classes: str, block: int = 16, needs: list[list[int]] | None = None, mode: str = "none", **fields: Any
) -> dict[str, Any]:
    return {
        "classes": [*classes, "KVCacheSpec", "object"], "block_size": block, "page_bytes": 65536, "unpadded_bytes": 60000,
        "outermost": False, "fields": fields, "mamba_cache_mode": mode,
        "needs": needs or [[1, 1], [block + 1, 2], [32768, 32768 // block]],
    }  # fmt: skip


def page(*classes: str, **more: Any) -> PageSpec:
    found = read_page(said(*classes, **more))
    assert found is not None
    assert found.strange is None
    return found.page


def test_full_attention_keeps_every_token() -> None:
    found = page("FullAttentionSpec", "AttentionSpec", sliding_window=None)
    assert (found.kind, found.span, found.block_size, found.page_bytes, found.unpadded_bytes) == (
        "full_attention", "full", 16, 65536, 60000,
    )  # fmt: skip


def test_a_window_beside_full_attention_is_not_one_to_the_planner() -> None:
    # `FullAttentionSpec.sliding_window`: the hybrid manager is off, and every token is kept
    assert page("FullAttentionSpec", sliding_window=1024).window == 0


def test_a_sliding_window_keeps_its_window_and_what_speculation_retains() -> None:
    found = page("SlidingWindowSpec", "AttentionSpec", sliding_window=1024, extra_retained_tokens=3)
    assert (found.span, found.window) == ("window", 1027)


def test_a_chunk_keeps_its_chunk() -> None:
    found = page("ChunkedLocalAttentionSpec", "AttentionSpec", attention_chunk_size=8192)
    assert (found.span, found.window) == ("chunk", 8192)


@pytest.mark.parametrize("name", ["MLAAttentionSpec", "SlidingWindowMLASpec"])
def test_latent_attention_is_latent(name: str) -> None:
    assert page(name, "FullAttentionSpec", sliding_window=64).latent


def test_latent_attention_of_older_versions_is_a_field() -> None:
    assert page("FullAttentionSpec", use_mla=True).latent


def test_a_state_outside_prefix_caching_is_one_block_per_request() -> None:
    found = page("MambaSpec", block=32768, needs=[[1, 1], [32768, 1]], mamba_type="GDN_ATTN")
    assert (found.kind, found.span, found.block_size, found.state_blocks) == ("gdn_attn", "state", 0, 1)
    assert not found.state_per_block


def test_an_aligned_state_has_the_blocks_vllm_counts() -> None:
    found = page("MambaSpec", block=1056, needs=[[1, 3], [1057, 3], [32768, 3]], mode="align", mamba_type="MAMBA2")
    assert (found.block_size, found.state_blocks, found.state_per_block) == (1056, 3, False)


def test_a_state_per_block_grows_with_the_length() -> None:
    found = page("MambaSpec", block=1024, needs=[[1, 1], [1025, 2], [32768, 32]], mode="all", mamba_type="MAMBA2")
    assert (found.state_blocks, found.state_per_block) == (0, True)


def test_encoder_only_attention_needs_nothing() -> None:
    assert read_page(said("EncoderOnlyAttentionSpec", "AttentionSpec", needs=[[1, 0], [17, 0], [512, 0]])) is None


def test_a_strange_spec_that_grows_by_blocks_is_like_full_attention() -> None:
    found = page("ForkedSpec", needs=[[1, 1], [17, 2], [32768, 2048]])
    assert (found.kind, found.span) == ("ForkedSpec", "full")


def test_a_strange_spec_of_a_fixed_size_is_a_state() -> None:
    found = page("RingSpec", "AttentionSpec", block=64, needs=[[1, 2], [65, 2], [32768, 2]], mode="align")
    assert (found.span, found.state_blocks) == ("state", 2)


def test_a_strange_spec_that_grows_otherwise_counts_every_token_and_is_named() -> None:
    found = read_page(said("OddSpec", needs=[[1, 1], [17, 1], [32768, 700]]))
    assert found is not None
    assert (found.page.span, found.strange) == ("full", "OddSpec")
