"""Judged parts as an Estimate: the names of the JSON contract."""

from __future__ import annotations

from vram.architecture.passed_over import passed_over
from vram.estimate.cache.plan import KvPlan
from vram.estimate.host import host_of
from vram.estimate.parts import Parts
from vram.estimate.verdict.explain import explain
from vram.estimate.weights.parameters import parameter_count
from vram.models.estimate import (
    DeploymentFacts,
    Estimate,
    KvCacheFacts,
    KvGroupFacts,
    Limits,
    Memory,
    ModelFacts,
    ProvenanceNote,
    Rank,
    Verdict,
)
from vram.models.interval import Interval
from vram.vllm.versions import format_version


def estimate_of(parts: Parts, memory: Memory, verdict: Verdict, limits: Limits, note: ProvenanceNote) -> Estimate:
    """The whole answer; `note` says where the model's facts are from."""
    host, made_of = host_of(parts)
    return Estimate(
        model=_model_facts(parts),
        deployment=_deployment_facts(parts),
        memory=memory,
        ranks=tuple(
            Rank(
                pipeline_rank=rank.pipeline_rank,
                parameter_bytes=rank.parameter_bytes,
                weights_bytes=rank.weights_bytes,
                cache_layers=sum(count for _, count in parts.cache_ranks[rank.pipeline_rank]),
            )
            for rank in parts.weights
        ),
        kv_cache=_kv_facts(parts.plan),
        verdict=verdict,
        limits=limits,
        host=host,
        provenance=(note, *parts.overhead.notes, *made_of),
        left_out=passed_over(parts.question.deployment, parts.question.spec.hints),
        assumed=(*parts.question.assumed, *parts.question.spec.assumptions),
        explanation=explain(parts, memory),
    )


def memory_of(parts: Parts) -> Memory:
    """Bytes per GPU of the most loaded rank, and the headroom at the asked context × concurrency."""
    overhead, question = parts.overhead, parts.question
    needed = parts.required(parts.plan.max_model_len, question.deployment.concurrency)
    weights = Interval.exact(parts.weights_bytes, question.spec.provenance)
    used = overhead.activation_peak + overhead.cuda_graphs + overhead.non_torch + weights
    budget = overhead.budget_bytes
    return Memory(
        weights=weights,
        activation_peak=overhead.activation_peak,
        cuda_graphs=overhead.cuda_graphs_logged,
        non_torch=overhead.non_torch,
        kv_cache_required=Interval.exact(needed),
        budget_bytes=budget,
        kv_cache_available=parts.cache_bytes,
        headroom=Interval(
            low=budget - used.high - needed,
            expected=budget - used.expected - needed,
            high=budget - used.low - needed,
            provenance=used.provenance,
        ),
    )


def _model_facts(parts: Parts) -> ModelFacts:
    question = parts.question
    return ModelFacts(
        id=question.checkpoint.id,
        architecture=question.spec.architecture,
        source=question.checkpoint.source,
        parameters=parameter_count(question.spec),
        dtype=question.deployment.dtype,
        quantization=question.quantization.name if question.quantization else None,
        max_model_len=question.spec.derived_max_model_len,
        stands_in=question.checkpoint.awaits is not None,
    )


def _deployment_facts(parts: Parts) -> DeploymentFacts:
    deployment = parts.question.deployment
    args = deployment.args
    return DeploymentFacts(
        vllm_version=format_version(deployment.vllm_version),
        gpu=deployment.gpu.name,
        gpu_memory_bytes=deployment.gpu_memory_bytes,
        gpu_memory_utilization=deployment.gpu_memory_utilization,
        used_memory_bytes=deployment.used_memory_bytes,
        platform=deployment.gpu.platform,
        tensor_parallel_size=args.tensor_parallel_size,
        pipeline_parallel_size=args.pipeline_parallel_size,
        data_parallel_size=args.data_parallel_size,
        enable_expert_parallel=args.enable_expert_parallel,
        enforce_eager=args.enforce_eager,
        max_model_len=parts.plan.max_model_len,
        max_num_seqs=deployment.max_num_seqs,
        max_num_batched_tokens=deployment.max_num_batched_tokens,
        kv_cache_dtype=args.kv_cache_dtype,
        block_size=parts.plan.block_size,
        concurrency=deployment.concurrency,
        profile=parts.question.profile.name,
    )


def _kv_facts(plan: KvPlan) -> KvCacheFacts:
    return KvCacheFacts(
        dtype=plan.dtype,
        block_size=plan.block_size,
        bytes_per_token=plan.bytes_per_token,
        num_blocks=plan.num_blocks,
        tokens=plan.tokens,
        max_concurrency=plan.max_concurrency,
        estimated_max_model_len=plan.estimated_max_model_len,
        groups=tuple(
            KvGroupFacts(kind=g.kind, layers=g.layers, block_size=g.block_size, page_bytes=g.page_bytes)
            for g in plan.groups
        ),
    )
