"""Each formula of an answer with its values filled in (`--explain`)."""

from __future__ import annotations

from vram.estimate.parts import Parts
from vram.models.estimate import Memory
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
