"""The attention backend of each layer, its blocks and the plan, against vLLM 0.33.0's GPU wheel on pretended GPUs.

`vllm_attention_backends.jsonl`: real configs with few layers, and a few with other head sizes, × KV dtype, block size,
--attention-backend, dtype and context parallelism on H100, B200, A100, RTX 5090, L40S and T4: the backends it took with blocks
and plan, or why it refused.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vram.architecture.cuda_backends import CUDA
from vram.estimate.cache.backends import backend_of, refusal
from vram.estimate.cache.context import CacheContext
from vram.estimate.cache.layout import with_unquantized_ends
from vram.estimate.cache.plan import plan_kv_cache
from vram.models import cache
from vram.models.cache import AttentionCache, CacheLayer, LatentCache, StateCache, StateTensor
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Split
from vram.vllm.versions import behaviour, parse_version
from vram_plugins.kv_dtypes import fp8, nvfp4, per_token_head, turboquant, unquantized

DATA = Path(__file__).parents[3] / "data" / "vllm_attention_backends.jsonl"
CASES = [json.loads(line) for line in DATA.read_text().splitlines()]
KV_DTYPES = {
    dtype.name: dtype for module in (unquantized, fp8, nvfp4, per_token_head, turboquant) for dtype in module.dtypes()
}
Ranks = tuple[tuple[tuple[CacheLayer, int], ...], ...]
HOPPER, BLACKWELL, AMPERE = (9, 0), (10, 0), (8, 0)
GQA = AttentionCache(kind="full_attention", num_kv_heads=8, head_size=128, head_size_v=128)
LATENT = LatentCache(kv_lora_rank=512, qk_rope_head_dim=64)
SPARSE = LatentCache(kv_lora_rank=512, qk_rope_head_dim=64, sparse=True)


def label(case: dict[str, Any]) -> str:
    return f"{case['config']}-{case['gpu']}-{' '.join(case['args'])}"


def parametrized(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [pytest.param(case, id=label(case)) for case in CASES if kind in case])


def layer(kind: str, fields: dict[str, Any]) -> CacheLayer:
    if kind != "StateCache":
        return getattr(cache, kind)(**fields)  # type: ignore[no-any-return]
    tensors = tuple(StateTensor(rows=(Split(size=size),), columns=1, dtype=dtype) for size, dtype in fields["tensors"])
    return StateCache(kind=fields["kind"], tensors=tensors, checkpoints=fields.get("checkpoints", False))


def ranks_of(case: dict[str, Any]) -> Ranks:
    return tuple(tuple((layer(kind, fields), count) for kind, fields, count in rank) for rank in case["ranks"])


def context_of(case: dict[str, Any]) -> CacheContext:
    given = {name: tuple(value) if isinstance(value, list) else value for name, value in case["context"].items()}
    given["kv_dtype"] = KV_DTYPES[given["kv_dtype"]]
    return CacheContext(behaviour=behaviour(parse_version(case["vllm"])), **given)


def context(version: str = "0.33.0", kv_dtype: KVCacheDtype | str = "auto", **more: Any) -> CacheContext:
    chosen = KV_DTYPES[kv_dtype] if isinstance(kv_dtype, str) else kv_dtype
    given = {"dtype": "bfloat16", "max_model_len": 4096, "max_num_seqs": 1, "max_num_batched_tokens": 2048, **more}
    return CacheContext(behaviour=behaviour(parse_version(version)), kv_dtype=chosen, **given)


def name(layer: AttentionCache | LatentCache, **facts: Any) -> str | None:
    found = backend_of(layer, context(**facts))
    return found.name if found else None


@parametrized("answer")
def test_backends_blocks_and_plan_are_those_of_vllms_gpu_wheel(case: dict[str, Any]) -> None:
    asked = context_of(case)
    ranks = ranks_of(case)
    kinds = [kind for rank in with_unquantized_ends(ranks, asked) for kind, _ in rank]
    layers = [kind for kind in kinds if isinstance(kind, AttentionCache | LatentCache)]

    got = plan_kv_cache(ranks, tuple(case["available"]), asked)

    assert refusal(tuple(kinds), asked) == ""
    names = {one.name for layer in layers if (one := backend_of(layer, asked))}
    assert sorted(names) == case["backends"]
    answer = case["answer"]
    if "num_blocks" not in answer:
        assert got.estimated_max_model_len == answer["estimated_max_model_len"]
        return
    assert (got.num_blocks, got.tokens) == (answer["num_blocks"], answer["tokens"])
    assert sorted(group.block_size for group in got.groups) == sorted(answer["block_sizes"])


@parametrized("refused")
def test_what_vllms_gpu_wheel_refuses_is_refused(case: dict[str, Any]) -> None:
    asked = context_of(case)

    kinds = tuple(kind for rank in with_unquantized_ends(ranks_of(case), asked) for kind, _ in rank)

    mismatched = "incompatible with" in case["refused"]  # refused before any backend is asked
    assert refusal(kinds, asked) or mismatched


@pytest.mark.parametrize(
    ("layer", "facts", "expected"),
    [
        # DeepSeek-V3.2 with fp8: FLASHMLA_SPARSE's packed 656 bytes, FLASHINFER's 576 for fp8_e4m3 (0.30 and later)
        (SPARSE, {"kv_dtype": "fp8", "compute_capability": HOPPER}, "FLASHMLA_SPARSE"),
        (SPARSE, {"kv_dtype": "fp8_e4m3", "compute_capability": HOPPER}, "FLASHINFER_MLA_SPARSE_SM90"),
        (SPARSE, {"kv_dtype": "fp8_e4m3", "compute_capability": HOPPER, "version": "0.29.0"}, None),
        (
            SPARSE,
            {"compute_capability": HOPPER, "version": "0.24.0"},
            "FLASHMLA_SPARSE",
        ),  # FlashAttention's came in 0.25
        (LATENT, {"compute_capability": BLACKWELL, "version": "0.18.0"}, "FLASHINFER_MLA"),
        (LATENT, {"compute_capability": HOPPER, "kv_dtype": "fp8", "version": "0.18.0"}, "FLASHMLA"),
        (LATENT, {"compute_capability": HOPPER, "version": "0.17.1"}, None),  # forced by the platform, not chosen
        (GQA, {"compute_capability": (7, 5), "dtype": "float16", "version": "0.18.0"}, "FLASHINFER"),
        (GQA, {"compute_capability": (7, 5), "dtype": "float16", "version": "0.25.0"}, "TRITON_ATTN"),
    ],
)
def test_backends_changed_with_the_version(
    layer: AttentionCache | LatentCache, facts: dict[str, Any], expected: str | None
) -> None:
    assert name(layer, **facts) == expected


def test_a_kv_dtype_of_a_plugin_is_nothing_a_backend_can_object_to() -> None:
    own = KVCacheDtype(name="int6", bits=6)

    assert name(GQA, kv_dtype=own, compute_capability=AMPERE) == "FLASH_ATTN"


def test_an_unknown_backend_is_refused() -> None:
    assert "not known here" in refusal((GQA,), context(attention_backend="MY_OWN"))


def test_recurrent_state_needs_the_hybrid_manager() -> None:
    state = StateCache(kind="mamba2", tensors=(StateTensor(rows=(Split(size=64),), columns=64),))

    assert "one unified type" in refusal((GQA, state), context(disable_hybrid_kv_cache_manager=True))
    assert refusal((state,), context(disable_hybrid_kv_cache_manager=True)) == ""
    assert refusal((GQA, state), context()) == ""


def test_every_backend_is_found_by_its_name() -> None:
    names = {one for case in CASES for one in case.get("backends", ())}

    assert len(names) >= 15
    assert all(CUDA.by_name(one) for one in names)
