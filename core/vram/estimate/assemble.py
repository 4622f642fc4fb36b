"""Put the parts together: weights, overhead, KV plan, verdict and limits become one Estimate."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from vram.ask.limits import limits_of
from vram.ask.remedies import with_remedies
from vram.estimate.cache.layout import cache_layout
from vram.estimate.cache.plan import CacheContext, KvPlan, plan_kv_cache, required_bytes
from vram.estimate.memory.overhead import Overhead, OverheadInputs, predict_overhead
from vram.estimate.verdict.explain import explain
from vram.estimate.verdict.judge import Facts, judge
from vram.estimate.weights.lora import lora_bytes
from vram.estimate.weights.ranks import (
    Parallelism,
    RankWeights,
    ResolvedModel,
    count_between,
    parameter_count,
    rank_weights,
    resolve,
)
from vram.models.cache import CacheLayer, StateCache
from vram.models.deployment import Deployment, Policy
from vram.models.estimate import (
    DeploymentFacts,
    Estimate,
    KvCacheFacts,
    KvGroupFacts,
    Memory,
    ModelFacts,
    ProvenanceNote,
    Rank,
)
from vram.models.interval import Interval
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Experts
from vram.models.profile import OverheadProfile
from vram.models.record import evolve, field, frozen
from vram.models.scheme import Quantization, QuantizationScheme
from vram.models.spec import ModelSpec
from vram.units import gib
from vram.vllm.engine import uses_v0_engine, uses_v2_runner
from vram.vllm.versions import Behaviour, format_version

CacheRanks = tuple[tuple[tuple[CacheLayer, int], ...], ...]


@frozen(kw_only=True, eq=False)
class Question:
    """Everything the arithmetic needs; no plugin, file or network is left."""

    model_id: str
    source: str
    spec: ModelSpec
    scheme: QuantizationScheme | None
    quantization: Quantization | None
    kv_dtype: KVCacheDtype
    kv_dtype_name: str
    deployment: Deployment
    behaviour: Behaviour
    profile: OverheadProfile
    policy: Policy
    notes: tuple[ProvenanceNote, ...] = ()
    warnings: tuple[str, ...] = ()
    stored: Mapping[str, int] = field(factory=dict)


@frozen(kw_only=True, eq=False)
class Parts:
    """The computed parts of an answer, before they are judged and put into words."""

    question: Question
    model: ResolvedModel
    weights: tuple[RankWeights, ...]
    cache_ranks: CacheRanks
    overhead: Overhead
    context: CacheContext
    pools: tuple[int, ...]
    plan: KvPlan

    @property
    def weights_bytes(self) -> int:
        """The most loaded rank's bytes after loading."""
        return max(rank.weights_bytes for rank in self.weights)

    def required(self, context_len: int, concurrency: int) -> int:
        """Pool bytes that so many requests of that length need, with the policy's fragmentation."""
        needed = required_bytes(self.cache_ranks, self.context, context_len=context_len, concurrency=concurrency)
        return int(needed * self.fragmentation)

    @property
    def fragmentation(self) -> float:
        chosen = self.question.policy.fragmentation_factor
        return chosen if chosen is not None else self.question.profile.fragmentation_factor

    @property
    def usable_pools(self) -> tuple[int, ...]:
        """Per rank, pool bytes that requests may fill while the policy's headroom stays free.

        As the headroom is reckoned: the heaviest rank's weights and the largest rank's blocks on every rank.
        """
        overhead, policy = self.overhead, self.question.policy
        fixed = overhead.activation_peak.expected + overhead.cuda_graphs.expected + overhead.non_torch.expected
        free = overhead.budget_bytes - self.weights_bytes - fixed - gib(policy.headroom_gib)
        usable = int(max(0, free) / self.fragmentation)
        pools = tuple(int(pool / self.fragmentation) for pool in self.pools)
        sizes = cache_layout(self.cache_ranks, self.context).rank_block_bytes
        if len(set(sizes)) < 2:
            return tuple(min(pool, usable) for pool in pools)
        blocks = usable // max(sizes)
        return tuple(min(pool, blocks * size) for pool, size in zip(pools, sizes, strict=True))


def compute(question: Question) -> Parts:
    """Weights, overhead and KV plan. Raises ParallelismError, InputError."""
    deployment = question.deployment
    args = deployment.args
    parallel = Parallelism.of(
        tp=args.tensor_parallel_size,
        pp=args.pipeline_parallel_size,
        dp=args.data_parallel_size,
        expert_parallel=args.enable_expert_parallel,
    )
    model = resolve(question.spec, question.quantization)
    loaded = rank_weights(model, parallel, deployment.dtype)
    weights = _adjusted(loaded, lora_bytes(model, loaded, parallel, args, deployment.dtype), gib(args.cpu_offload_gb))
    overhead = predict_overhead(
        OverheadInputs(
            model=model,
            deployment=deployment,
            parallel=parallel,
            behaviour=question.behaviour,
            weights=weights,
            profile=question.profile,
            policy=question.policy,
        )
    )
    heaviest = max(rank.weights_bytes for rank in weights)
    if args.kv_cache_memory_bytes is not None:
        pools = (args.kv_cache_memory_bytes,) * len(weights)
    else:
        available = overhead.kv_cache_available.expected
        pools = tuple(max(0, available + heaviest - rank.weights_bytes) for rank in weights)
    ranks = cache_ranks(question.spec, weights)
    context = _same(cache_context(question))
    plan = plan_kv_cache(ranks, pools, context)
    return Parts(
        question=question,
        model=model,
        weights=weights,
        cache_ranks=ranks,
        overhead=overhead,
        context=context,
        pools=pools,
        plan=plan,
    )


def _adjusted(weights: tuple[RankWeights, ...], slots: tuple[int, ...], offload: int) -> tuple[RankWeights, ...]:
    """With LoRA slots, and without what CPU offload keeps on the host.

    Offload takes the first bytes of the parameters (vLLM 0.33.0 `model_executor/offloader`).
    """
    if not offload and not any(slots):
        return weights
    return tuple(
        evolve(rank, weights_bytes=max(0, rank.weights_bytes - offload) + extra)
        for rank, extra in zip(weights, slots, strict=True)
    )


def cache_ranks(spec: ModelSpec, weights: tuple[RankWeights, ...]) -> CacheRanks:
    """Per pipeline rank, each distinct cache layer with how many of it there are."""
    return _cache_ranks(spec, tuple(rank.layers for rank in weights))


@lru_cache(maxsize=256)
def _cache_ranks(spec: ModelSpec, stages: tuple[range, ...]) -> CacheRanks:
    ranks = []
    for stage, layers in enumerate(stages):
        counts: dict[CacheLayer, int] = {}
        for run in spec.runs:
            held = count_between(run.indices, layers) if run.layer.caches else 0
            for cache in run.layer.caches if held else ():
                counts[cache] = counts.get(cache, 0) + held
        if spec.draft is not None and stage == len(stages) - 1:
            for run in spec.draft.runs:
                for cache in run.layer.caches:
                    counts[cache] = counts.get(cache, 0) + len(run.indices)
        ranks.append(tuple(counts.items()))
    return tuple(ranks)


@lru_cache(maxsize=1024)
def _same(context: CacheContext) -> CacheContext:
    """One object for equal contexts: what is cached by them is then found without comparing thirty fields."""
    return context


def cache_context(question: Question) -> CacheContext:
    """What the KV planner must know besides the layers."""
    deployment, args, spec = question.deployment, question.deployment.args, question.spec
    return CacheContext(
        behaviour=question.behaviour,
        dtype=deployment.dtype,
        kv_dtype=question.kv_dtype,
        kv_dtype_name=question.kv_dtype_name,
        max_model_len=deployment.max_model_len,
        max_num_seqs=deployment.max_num_seqs,
        max_num_batched_tokens=deployment.max_num_batched_tokens,
        tensor_parallel_size=args.tensor_parallel_size,
        pipeline_parallel_size=args.pipeline_parallel_size,
        decode_context_parallel_size=args.decode_context_parallel_size,
        block_size=args.block_size,
        num_gpu_blocks_override=args.num_gpu_blocks_override,
        num_speculative_tokens=deployment.num_speculative_tokens,
        compute_capability=deployment.gpu.compute_capability,
        mamba_cache_dtype=args.mamba_cache_dtype,
        mamba_ssm_cache_dtype=spec.state_dtype
        if args.mamba_ssm_cache_dtype == "auto" and spec.state_dtype
        else args.mamba_ssm_cache_dtype,
        disable_hybrid_kv_cache_manager=args.disable_hybrid_kv_cache_manager,
        enable_prefix_caching=args.enable_prefix_caching,
        is_hybrid=True if "hybrid" in spec.hints else None,
        full_cuda_graphs=not args.enforce_eager,
        model_runner_v2=_runs_v2(question),
        v0_engine=uses_v0_engine(question.behaviour.version, deployment.gpu.compute_capability),
        runner=spec.runner,
        multimodal=bool(spec.encoders),
        num_attention_heads=spec.num_attention_heads,
        auto_fit_max_model_len=args.max_model_len == -1,
    )


def _runs_v2(question: Question) -> bool:
    """Whether Model Runner V2 serves, which has one batch more in flight over several pipeline ranks."""
    spec = question.spec
    layers = [run.layer for run in spec.runs]
    return uses_v2_runner(
        question.behaviour.version,
        architecture=spec.architecture,
        moe=any(isinstance(module, Experts) for layer in layers for module in layer.modules),
        recurrent=any(isinstance(cache, StateCache) for layer in layers for cache in layer.caches),
        quantized=question.quantization is not None,
        generates=spec.runner == "generate",
    )


def answer(question: Question) -> Estimate:
    """The whole answer. Raises VramError on a deployment vLLM could not even read."""
    parts = compute(question)
    deployment = question.deployment
    plan, overhead = parts.plan, parts.overhead
    context_len = plan.max_model_len
    needed = parts.required(context_len, deployment.concurrency)
    memory = _memory(parts, needed)
    limits = limits_of(parts)
    facts = Facts(
        spec=question.spec,
        scheme=question.scheme,
        quantization=question.quantization,
        kv_dtype=question.kv_dtype,
        deployment=deployment,
        policy=question.policy,
        behaviour=question.behaviour,
        memory=memory,
        plan=plan,
        limits=limits,
        parallel_ranks=len(parts.weights),
        warnings=(*question.warnings, *question.spec.assumptions),
    )
    verdict = judge(facts)
    if not verdict.starts:
        verdict = evolve(verdict, checks=with_remedies(question, verdict.checks))
    return Estimate(
        model=ModelFacts(
            id=question.model_id,
            architecture=question.spec.architecture,
            source=question.source,
            parameters=parameter_count(question.spec),
            dtype=deployment.dtype,
            quantization=question.quantization.name if question.quantization else None,
            max_model_len=question.spec.derived_max_model_len,
        ),
        deployment=_deployment_facts(question, plan),
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
        kv_cache=_kv_facts(plan),
        verdict=verdict,
        limits=limits,
        provenance=(*question.notes, *overhead.notes),
        explanation=explain(parts, memory),
    )


def _memory(parts: Parts, needed: int) -> Memory:
    overhead = parts.overhead
    weights = Interval.exact(parts.weights_bytes, parts.question.spec.provenance)
    available = overhead.kv_cache_available
    fixed = parts.question.deployment.args.kv_cache_memory_bytes
    if fixed is not None:
        available = Interval.exact(fixed)
    used = overhead.activation_peak + overhead.cuda_graphs + overhead.non_torch + weights
    budget = overhead.budget_bytes
    return Memory(
        weights=weights,
        activation_peak=overhead.activation_peak,
        cuda_graphs=overhead.cuda_graphs_logged,
        non_torch=overhead.non_torch,
        kv_cache_required=Interval.exact(needed),
        budget_bytes=budget,
        kv_cache_available=available,
        headroom=Interval(
            low=budget - used.high - needed,
            expected=budget - used.expected - needed,
            high=budget - used.low - needed,
            provenance=used.provenance,
        ),
    )


def _deployment_facts(question: Question, plan: KvPlan) -> DeploymentFacts:
    deployment = question.deployment
    args = deployment.args
    return DeploymentFacts(
        vllm_version=format_version(deployment.vllm_version),
        gpu=deployment.gpu.name,
        gpu_memory_bytes=deployment.gpu_memory_bytes,
        gpu_memory_utilization=deployment.gpu_memory_utilization,
        tensor_parallel_size=args.tensor_parallel_size,
        pipeline_parallel_size=args.pipeline_parallel_size,
        data_parallel_size=args.data_parallel_size,
        enable_expert_parallel=args.enable_expert_parallel,
        enforce_eager=args.enforce_eager,
        max_model_len=plan.max_model_len,
        max_num_seqs=deployment.max_num_seqs,
        max_num_batched_tokens=deployment.max_num_batched_tokens,
        kv_cache_dtype=args.kv_cache_dtype,
        block_size=plan.block_size,
        concurrency=deployment.concurrency,
        profile=question.profile.name,
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
