"""The planner against vLLM's own planning code, version by version, and against vLLM 0.32's own page sizes.

`vllm_kv_plans.jsonl`: made-up models given to `v1/core/kv_cache_utils.py` (0.33: `kv_cache_planning.py`) of 29
released versions. `vllm_kv_specs.jsonl`: real configs asked of vLLM 0.32.0 on a pretended GPU: KV dtypes, block
sizes, recurrent-state dtypes, unquantized layers, auto-fit, pipeline ranks. Where that CPU build had no kernel for a layer and
took another backend than a GPU's wheel does, the context names the one it took.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from vram.estimate.cache.plan import CacheContext, KvPlan, plan_kv_cache
from vram.estimate.cache.specs import resolve_specs
from vram.models import cache
from vram.models.cache import CacheLayer, StateCache, StateTensor
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Split
from vram.vllm.versions import behaviour, parse_version
from vram_plugins.kv_dtypes import fp8, nvfp4, per_token_head, turboquant, unquantized

DATA = Path(__file__).parents[3] / "data"
AUTO = KVCacheDtype(name="auto")
PLUGINS = (unquantized, fp8, nvfp4, per_token_head, turboquant)
KV_DTYPES = {dtype.name: dtype for plugin in PLUGINS for dtype in plugin.dtypes()}


def rows(name: str) -> list[Any]:
    cases = [json.loads(line) for line in (DATA / name).read_text().splitlines()]
    return [pytest.param(case, id=f"{case['vllm']}-{case.get('config', '')}-{i}") for i, case in enumerate(cases)]


def layer(kind: str, fields: dict[str, Any]) -> CacheLayer:
    if kind != "StateCache":
        return getattr(cache, kind)(**fields)  # type: ignore[no-any-return]
    parts = fields.get("tensors") or [[fields["elements"], "bfloat16"]]
    tensors = tuple(StateTensor(rows=(Split(size=size),), columns=1, dtype=dtype) for size, dtype in parts)
    return StateCache(kind=fields["kind"], tensors=tensors)


def ranks_of(case: dict[str, Any]) -> tuple[tuple[tuple[CacheLayer, int], ...], ...]:
    return tuple(tuple((layer(kind, fields), count) for kind, fields, count in rank) for rank in case["ranks"])


def context_of(case: dict[str, Any], **more: Any) -> CacheContext:
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in case["context"].items()}
    defaults = {"dtype": "bfloat16", "kv_dtype": AUTO, "max_num_seqs": 1}
    version = behaviour(parse_version(case["vllm"]))
    # vLLM's own words for what it had resolved: a mode other than "none" needs prefix caching, and as many batches in
    # flight as pipeline ranks are those of the V1 runner, which schedules none ahead of several
    if "mamba_cache_mode" in given:
        given["enable_prefix_caching"] = given["mamba_cache_mode"] != "none"
    batches = given.pop("max_concurrent_batches", None)
    if batches is not None:
        given["model_runner_v2"] = batches > given.get("pipeline_parallel_size", 1)
    return CacheContext(behaviour=version, **{**defaults, "full_cuda_graphs": False, **given, **more})


def plan(case: dict[str, Any], context: CacheContext) -> KvPlan:
    return plan_kv_cache(ranks_of(case), tuple(case["available"]), context)


@pytest.mark.parametrize("case", rows("vllm_kv_plans.jsonl"))
def test_a_plan_is_what_that_version_of_vllm_made(case: dict[str, Any]) -> None:
    answer = case["answer"]

    got = plan(case, context_of(case))

    if "refusal" in answer:
        assert got.refusal == answer["refusal"]
        if answer["estimated_max_model_len"] is not None:
            assert got.estimated_max_model_len == answer["estimated_max_model_len"]
        return
    assert got.refusal is None
    assert (got.num_blocks, got.tokens, got.max_model_len) == (
        answer["num_blocks"], answer["tokens"], answer["max_model_len"],
    )  # fmt: skip
    # before 0.11 only the printed number, with two digits, was recorded
    assert got.max_concurrency == pytest.approx(answer["max_concurrency"], rel=1e-9, abs=0.0051)
    if len(case["ranks"]) == 1:
        assert [[group.layers, group.block_size] for group in got.groups] == answer["groups"]


@pytest.mark.parametrize("case", rows("vllm_kv_specs.jsonl"))
def test_pages_and_plan_are_what_vllm_0_32_answered(case: dict[str, Any]) -> None:
    # boundary layers of TurboQuant are spelled out in the recorded layers
    dtype = evolve(KV_DTYPES[case["context"]["kv_dtype"]], unquantized_ends=0)
    context = context_of(case, kv_dtype=dtype)
    ranks = ranks_of(case)
    kinds = tuple(dict.fromkeys(kind for rank in ranks for kind, _ in rank))

    pages = dict(zip(kinds, (spec.page_bytes for spec in resolve_specs(kinds, context)), strict=True))
    got = plan(case, context)

    assert [[pages[kind] for kind, _ in rank] for rank in ranks] == case["pages"]
    answer = case["answer"]
    if "num_blocks" not in answer:
        assert got.estimated_max_model_len == answer["estimated_max_model_len"]
        return
    assert (got.num_blocks, got.tokens) == (answer["num_blocks"], answer["tokens"])
    assert got.max_concurrency == pytest.approx(answer["max_concurrency"], rel=1e-9)
    assert [group.block_size for group in got.groups] == answer["block_sizes"]
