"""What tests vary: a profile run, experts, a cache context."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from tests.core.estimate.runs import LLAMA_8B, RUN

from vram.estimate.cache.context import CacheContext
from vram.estimate.memory.profile_run import ProfileRun
from vram.estimate.memory.shapes import ExpertShapes
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Experts
from vram.vllm.versions import behaviour, parse_version


@pytest.fixture
def make_run() -> Callable[..., ProfileRun]:
    """RUN with changed facts; `shapes` is a mapping of changed shapes."""

    def make(**changes: Any) -> ProfileRun:
        shapes = changes.pop("shapes", {})
        return evolve(RUN, shapes=evolve(LLAMA_8B, **shapes), **changes)

    return make


@pytest.fixture
def make_experts() -> Callable[..., tuple[ExpertShapes, ...]]:
    """One kind of experts layer on one of `tp` ranks."""

    def make(
        *, hidden: int, intermediate: int, top_k: int, tp: int = 1, kernel: str = "plain", gated: bool = True
    ) -> tuple[ExpertShapes, ...]:
        module = Experts(
            name="experts", num_experts=64, hidden_size=hidden, intermediate_size=intermediate, top_k=top_k, gated=gated
        )
        return (ExpertShapes(local=module.local(tp, 1, "bfloat16"), kernel=kernel),)

    return make


@pytest.fixture
def make_context() -> Callable[..., CacheContext]:
    """The cache's view of a deployment: bfloat16, 4096 tokens, 8 requests, batches of 2048 tokens on Hopper."""

    def make(version: str = "0.33.0", **changes: Any) -> CacheContext:
        defaults: dict[str, Any] = {
            "dtype": "bfloat16", "kv_dtype": KVCacheDtype(name="auto"), "max_model_len": 4096,
            "max_num_seqs": 8, "max_num_batched_tokens": 2048,
        }  # fmt: skip
        return CacheContext(behaviour=behaviour(parse_version(version)), **{**defaults, **changes})

    return make
