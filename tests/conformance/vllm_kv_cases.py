"""How a KV case of vLLM's tests (`vllm_cases/kv_plans.jsonl`) is asked of `vram`'s planner.

A case names vLLM's specs with their fields, the layers of each pipeline rank in runs, and what the test's configuration
settled. Only the planner is asked here: a spec becomes a `PageSpec` with vLLM's own page.
"""

from __future__ import annotations

import json
from math import prod
from typing import Any
from unittest import mock

from vram.estimate.cache import layout
from vram.estimate.cache.context import CacheContext
from vram.estimate.cache.members import Group, Member
from vram.estimate.cache.need import longest, merged, needed, term
from vram.estimate.cache.plan import plan_kv_cache
from vram.estimate.cache.specs import PageSpec
from vram.models.kv_dtype import KVCacheDtype
from vram.vllm.versions import NEWEST, behaviour

ITEMSIZE = {"float32": 4, "float16": 2, "bfloat16": 2, "uint8": 1, "float8_e4m3fn": 1}
SPANS = {
    "FullAttentionSpec": "full",
    "SinkFullAttentionSpec": "full",
    "MLAAttentionSpec": "full",
    "SlidingWindowSpec": "window",
    "SlidingWindowMLASpec": "window",
    "ChunkedLocalAttentionSpec": "chunk",
    "MambaSpec": "state",
}
#: fields that do not make two layers different to the planner, or that a page says already
_NO_SHAPE = ("kind", "page", "block_size", "sliding_window", "attention_chunk_size")


def page_of(spec: dict[str, Any], case: dict[str, Any]) -> PageSpec:
    """One of vLLM's specs as the planner sees it."""
    span = SPANS[spec["kind"]]
    extra = 2 + spec.get("num_prefill_checkpoint_blocks", 0) if case.get("align") else 1
    window = spec.get("sliding_window", spec.get("attention_chunk_size", 0)) if span in ("window", "chunk") else 0
    shape = tuple(json.dumps([key, value]) for key, value in sorted(spec.items()) if key not in _NO_SHAPE)
    return PageSpec(
        kind=spec["kind"],
        span=span,  # type: ignore[arg-type]
        block_size=spec["block_size"],
        page_bytes=spec["page"],
        unpadded_bytes=_unpadded(spec),
        shape=shape,
        window=window,
        latent="MLA" in spec["kind"],
        packed=case.get("layout", "LBNHC").startswith("B"),
        state_blocks=extra + spec.get("num_speculative_blocks", 0) if span == "state" else 0,
    )


def _unpadded(spec: dict[str, Any]) -> int:
    if "page_size_padded" not in spec and "alignment" not in spec:
        return int(spec["page"])
    if spec["kind"] == "MambaSpec":
        return sum(prod(s) * ITEMSIZE[d] for s, d in zip(spec["shapes"], spec["dtypes"], strict=True))
    content = (spec["head_size"] + spec.get("head_size_v", 0)) * ITEMSIZE[spec["dtype"]]
    return int(spec["block_size"] * spec["num_kv_heads"] * spec.get("state_content_bytes", content))


def ranks_of(case: dict[str, Any], runs: list[list[Any]]) -> tuple[tuple[tuple[PageSpec, int], ...], ...]:
    pages = {name: page_of(spec, case) for name, spec in case["specs"].items()}
    return tuple(tuple((pages[name], count) for name, count in rank) for rank in runs)


def context_of(case: dict[str, Any]) -> CacheContext:
    """One batch in flight that is as long as all that the case has in flight."""
    return CacheContext(
        behaviour=behaviour(NEWEST),
        dtype="bfloat16",
        kv_dtype=KVCacheDtype(name="auto"),
        max_model_len=case["length"],
        max_num_seqs=1,
        max_num_batched_tokens=case.get("in_flight", 1),
        async_scheduling=False,
        decode_context_parallel_size=case.get("dcp", 1),
        num_gpu_blocks_override=case.get("blocks_override"),
        disable_hybrid_kv_cache_manager=case.get("one_group", False),
        auto_fit_max_model_len=case.get("auto_fit", False),
        full_cuda_graphs=False,
    )


def kv_answer(case: dict[str, Any]) -> dict[str, Any]:
    """What the planner answers, under the names of the expectation."""
    context = context_of(case)
    if case["ask"] == "concurrency":
        groups = [Group(members=_members(rank)) for rank in ranks_of(case, case["groups"])]
        request = merged(term(group.spec, context) for group in groups)
        return {"concurrency": case["blocks"] / needed(request, context.max_model_len)}
    ranks = ranks_of(case, case["ranks"])
    with mock.patch.object(layout, "resolve_specs", lambda kinds, _: kinds):
        found = layout.cache_layout(ranks, context)
        if case["ask"] == "groups":
            groups_found = [[group.layers, group.spec.block_size] for group in found.groups]
            return {"groups": groups_found, "block_bytes": found.rank_block_bytes[0]}
        available = tuple(case["available"])
        if case["ask"] == "estimate":  # the function alone, before a null block is held back
            return {"estimate": longest(found.fit[0], available[0], context.max_model_len)}
        plan = plan_kv_cache(ranks, available, context)
    return {
        "refusal": plan.refusal,
        "fits": plan.refusal is None,
        "estimate": plan.estimated_max_model_len,
        "blocks": plan.num_blocks,
        "groups": [[group.layers, group.block_size] for group in plan.groups],
        "length": plan.max_model_len,
        "concurrency": plan.max_concurrency,
    }


def _members(rank: tuple[tuple[PageSpec, int], ...]) -> tuple[Member, ...]:
    return tuple(Member(spec=spec, counts=(count,)) for spec, count in rank)
