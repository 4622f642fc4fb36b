"""One recorded answer of vLLM against `vram`'s: what is not equal.

Differences that have a cause outside this program are listed here with it, and nowhere skipped silently.
"""

from __future__ import annotations

import math
from typing import Any

from tests.conformance import registry

import vram
from vram.checkpoint.catalog import find
from vram.checkpoint.quantization_block import block_of
from vram.models.checkpoint import Checkpoint
from vram.models.config import ModelConfig

GIB = 2**30
GPUS = {
    "h100": ("H100 80GB", 79.18),
    "h200": ("H200", 139.80),
    "a100": ("A100 80GB", 79.25),
    "l40s": ("L40S", 44.40),
    "4090": ("RTX 4090", 23.53),
    "l4": ("L4", 22.17),
    "t4": ("T4", 14.58),
    "b200": ("B200", 178.35),
    "5090": ("RTX 5090", 31.36),
    "mi300x": ("MI300X", 191.98),
    "mi355x": ("MI355X", 287.98),
    "mi210": ("MI210", 63.98),
    "r9700": ("Radeon AI PRO R9700", 31.86),
    "7900xtx": ("Radeon RX 7900 XTX", 23.98),
}
#: latent attention with an fp8 cache on Hopper: FLASHMLA's pages of 64 tokens where vLLM finds that kernel, pages of 16 where it
#: does not (as in other recorded answers of the same version). Pages of 16 are planned; fewer than 64 tokens differ.
FLASHMLA_PAGES = {"nvidia/Kimi-K2.7-Code-NVFP4"}


def checkpoint(model: str) -> Checkpoint:
    """A model of the catalog, or an architecture with its config of `registry`. Raises KeyError, ConfigError."""
    found = find(model)
    if found is not None:
        return found
    return of_config(model, registry.config(model))


def of_config(model: str, raw: dict[str, Any]) -> Checkpoint:
    """A model of which there is a config alone. Raises ConfigError."""
    config = ModelConfig(raw=raw)
    return Checkpoint(id=model, source="local", config=config, quantization=block_of(config))


def estimate(answer: dict[str, Any], about: Checkpoint | None = None) -> vram.Estimate:
    """The question of a recorded answer, to `vram`."""
    gpu, total = GPUS[answer["gpu"]]
    return vram.estimate(
        about or checkpoint(answer["id"]),
        gpu=gpu,
        gpu_memory_gib=total,
        tensor_parallel_size=answer["tp"],
        pipeline_parallel_size=answer.get("pp", 1),
        vllm_version=answer["vllm"],
        kv_cache_memory_bytes=answer["available_gib"] * GIB,
        **answer["args"],
    )


def numbers(answer: dict[str, Any], found: vram.Estimate) -> dict[str, Any]:
    """What an estimate says of everything that an answer tells, under the answer's names."""
    facts, plan = found.deployment, found.kv_cache
    pairs = {
        "parameter_bytes": [rank.parameter_bytes for rank in found.ranks],
        "dtype": found.model.dtype,
        "max_model_len": facts.max_model_len,
        "max_num_seqs": facts.max_num_seqs,
        "max_num_batched_tokens": facts.max_num_batched_tokens,
    }
    if answer.get("tokens") is not None:
        pairs |= {"num_blocks": plan.num_blocks, "tokens": plan.tokens, "max_concurrency": plan.max_concurrency}
    elif "estimated_max_model_len" in answer:
        pairs["estimated_max_model_len"] = plan.estimated_max_model_len
    return pairs


def unequal(answer: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """By name, what vLLM says and what `vram` says instead; empty where all is equal."""
    pairs = numbers(answer, estimate(answer))
    return {name: (answer[name], got) for name, got in pairs.items() if not _same(name, answer, got)}


def _same(name: str, answer: dict[str, Any], got: Any) -> bool:
    want = answer[name]
    if answer["id"] in FLASHMLA_PAGES and name in ("num_blocks", "tokens", "max_concurrency"):
        return name != "tokens" or 0 <= got - want < 64
    if name == "max_concurrency":
        return got is not None and math.isclose(want, got, rel_tol=1e-9)
    return bool(want == got)
