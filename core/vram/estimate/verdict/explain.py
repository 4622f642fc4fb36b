"""Each formula of an answer with its values filled in (`--explain`)."""

from __future__ import annotations

from functools import lru_cache

from vram.estimate.parts import Parts
from vram.estimate.weights.ranks import Parallelism, held_modules, module_bytes
from vram.estimate.weights.resolved import ResolvedModel
from vram.models.estimate import Memory
from vram.models.parameters import Embedding, Experts, Linear, Module
from vram.units import format_gib
from vram.vllm.versions import format_version


def explain(parts: Parts, memory: Memory) -> tuple[str, ...]:
    """Sentences, one formula each, in the order vLLM computes them."""
    question, plan = parts.question, parts.plan
    deployment = question.deployment
    total, share = deployment.gpu_memory_bytes, deployment.gpu_memory_utilization
    version = format_version(deployment.vllm_version)
    lines = [
        f"budget = GPU memory × gpu_memory_utilization = {format_gib(total)} × {share:g} = "
        f"{format_gib(memory.budget_bytes)}",
        f"weights of the most loaded rank = {memory.weights.expected:,} bytes = {format_gib(memory.weights.expected)} "
        f"(tensor_parallel_size {deployment.tp}, pipeline_parallel_size {deployment.pp}, {deployment.dtype})",
        *_weights(parts),
        f"activation peak of the profile run = {format_gib(memory.activation_peak.expected)} "
        f"({deployment.max_num_batched_tokens} batched tokens, {deployment.max_num_seqs} sequences)",
        f"available KV cache memory as vLLM {version} computes it = {format_gib(memory.kv_cache_available.expected)} "
        f"[{format_gib(memory.kv_cache_available.low)} to {format_gib(memory.kv_cache_available.high)}]",
    ]
    if plan.bytes_per_block:
        lines += [
            f"blocks = available ÷ bytes per block = {min(parts.pools):,} ÷ {plan.bytes_per_block:,} = {plan.num_blocks:,}",
            f"KV cache size = {plan.tokens:,} tokens; maximum concurrency at {plan.max_model_len:,} tokens = "
            f"{plan.max_concurrency:.2f}x",
        ]
    lines += [
        f"KV cache required for {deployment.concurrency} × {plan.max_model_len:,} tokens = "
        f"{format_gib(memory.kv_cache_required.expected)} (whole blocks, fragmentation factor {parts.fragmentation:g})",
        f"headroom = budget − weights − activation − graphs − non-torch − required = {format_gib(memory.headroom.expected)}",
    ]
    return tuple(lines)


def _weights(parts: Parts) -> list[str]:
    """The weights of the most loaded rank, as they are once loaded, by what they are of and how wide they are stored."""
    heaviest = max(parts.weights, key=lambda rank: rank.weights_bytes)
    stages = tuple(rank.layers for rank in parts.weights)
    sums = _sums(parts.model, parts.parallel, parts.question.deployment.dtype, stages, heaviest.pipeline_rank)
    rest = heaviest.weights_bytes - sum(size for _, size in sums)
    told = (*sums, ("what else is made while loading, less what stays on the host", rest))
    return [f"  of it {what} = {size:,} bytes = {format_gib(size)}" for what, size in told if size]


@lru_cache(maxsize=256)
def _sums(
    model: ResolvedModel, parallel: Parallelism, dtype: str, stages: tuple[range, ...], rank: int
) -> tuple[tuple[str, int], ...]:
    """Bytes by kind and width on one of the pipeline ranks with these layers."""
    found: dict[str, int] = {}
    for part, counts in held_modules(model, stages):
        width = f" at {part.format.bits_per_weight:.4g} bits a weight" if part.format is not None else ""
        what = _kind(part.module) + width
        found[what] = found.get(what, 0) + module_bytes(part.module, part.format, parallel, dtype)[1] * counts[rank]
    return tuple(found.items())


def _kind(module: Module) -> str:
    if isinstance(module, Experts):
        return "experts"
    if isinstance(module, Embedding):
        return "LM head" if module.lm_head else "token embedding"
    return "linear layers" if isinstance(module, Linear) else "norms, scales and tables"
