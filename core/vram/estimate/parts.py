"""Weights, overhead and KV plan of one question, in the order in which each needs the one before."""

from __future__ import annotations

from functools import lru_cache

from vram.architecture.graph_choice import graph_choice
from vram.architecture.releases import last_word_on
from vram.estimate.cache.backends import refusal
from vram.estimate.cache.context import CacheContext
from vram.estimate.cache.layout import cache_layout, with_unquantized_ends
from vram.estimate.cache.plan import KvPlan, max_context, max_requests, plan_kv_cache, required_bytes
from vram.estimate.cache.workspace import loaded_workspace_bytes
from vram.estimate.memory.overhead import Overhead, predict_overhead
from vram.estimate.question import Question
from vram.estimate.weights.lora import lora_bytes
from vram.estimate.weights.matrices import layer_matrices
from vram.estimate.weights.offload import kept_on_host
from vram.estimate.weights.ranks import Parallelism, RankWeights, count_between, exchange_buffer_bytes, rank_weights
from vram.estimate.weights.resolved import ResolvedModel, resolve
from vram.models.cache import CacheLayer
from vram.models.interval import Interval
from vram.models.platform import Chip, Leftover, method_problem, platform_of
from vram.models.record import evolve, frozen
from vram.models.spec import UNEVEN_HEADS, ModelSpec
from vram.quantization.target import Target
from vram.units import gib

CacheRanks = tuple[tuple[tuple[CacheLayer, int], ...], ...]


@frozen(kw_only=True, eq=False)
class Parts:
    """The computed parts of an answer, before they are judged and put into words.

    `weights_bytes` are the most loaded rank's after loading, `pools` each rank's memory for the cache.
    """

    question: Question
    parallel: Parallelism
    model: ResolvedModel
    weights: tuple[RankWeights, ...]
    weights_bytes: int
    cache_ranks: CacheRanks
    overhead: Overhead
    context: CacheContext
    pools: tuple[int, ...]
    plan: KvPlan

    def required(self, context_len: int, concurrency: int) -> int:
        """Pool bytes that so many requests of that length need, with the policy's fragmentation."""
        needed = required_bytes(self.cache_ranks, self.context, context_len=context_len, concurrency=concurrency)
        return int(needed * self.fragmentation)

    @property
    def cache_bytes(self) -> Interval:
        """vLLM's "Available KV cache memory": what the overhead leaves, or what was given."""
        fixed = self.question.deployment.args.kv_cache_memory_bytes
        return self.overhead.kv_cache_available if fixed is None else Interval.exact(fixed)

    @property
    def loading_bytes(self) -> int:
        """The most the heaviest rank's weights take while they are loaded: where vLLM quantizes a model that is whole on the GPU
        first, that model, or both.
        """
        quantization, deployment = self.question.quantization, self.question.deployment
        if quantization is None or not quantization.whole_model_first:
            return self.weights_bytes
        whole = rank_weights(resolve(self.question.spec, None), self.parallel, deployment.dtype)
        most = max(rank.weights_bytes for rank in whole)
        return most if quantization.whole_model_first == "instead" else most + self.weights_bytes

    @property
    def offload_is_refused(self) -> bool:
        """Whether offloading meets a cache whose blocks are not all of the size asked for (0.9.1 to 0.19.1).

        Source: `v1/worker/gpu_model_runner.py:may_reinitialize_input_batch` (0.9.2, 0.19.1), an assertion.
        """
        deployment = self.question.deployment
        if not deployment.args.cpu_offload_gb or not (0, 9, 1) <= deployment.vllm_version < (0, 20, 0):
            return False
        return not deployment.v0_engine and (len(self.plan.groups) > 1 or "hybrid" in self.question.spec.hints)

    @property
    def headroom_bytes(self) -> int:
        """Budget less everything that is needed for the asked context × concurrency."""
        return self._left_for_cache - self.required(self.plan.max_model_len, self.question.deployment.concurrency)

    @property
    def _left_for_cache(self) -> int:
        """What the heaviest rank's weights and the expected overhead leave of the budget."""
        overhead = self.overhead
        used = overhead.activation_peak.expected + overhead.cuda_graphs.expected + overhead.non_torch.expected
        return overhead.budget_bytes - used - self.weights_bytes

    @property
    def fragmentation(self) -> float:
        """The factor on the need of the cache: the policy's, else the profile's."""
        chosen = self.question.policy.fragmentation_factor
        return chosen if chosen is not None else self.question.profile.fragmentation_factor

    @property
    def usable_pools(self) -> tuple[int, ...]:
        """Per rank, pool bytes that requests may fill while the policy's headroom stays free.

        As the headroom is reckoned: the heaviest rank's weights and the largest rank's blocks on every rank.
        """
        free = self._left_for_cache - gib(self.question.policy.headroom_gib)
        usable = int(max(0, free) / self.fragmentation)
        pools = tuple(int(pool / self.fragmentation) for pool in self.pools)
        sizes = cache_layout(self.cache_ranks, self.context).rank_block_bytes
        if len(set(sizes)) < 2:
            return tuple(min(pool, usable) for pool in pools)
        blocks = usable // max(sizes)
        return tuple(min(pool, blocks * size) for pool, size in zip(pools, sizes, strict=True))

    def most_requests(self, context_len: int) -> int:
        """How many requests of that length the cache holds at once while the headroom stays free."""
        ranks, pools = self.cache_ranks, self.usable_pools
        found = max_requests(ranks, pools, self.context, context_len=context_len)
        memory = self._by_memory
        return found if memory is None else min(found, max_requests(ranks, pools, memory, context_len=context_len))

    def longest_context(self, concurrency: int, upper: int) -> int:
        """The longest context, up to `upper`, of so many requests at once beside this overhead, with the headroom free."""
        ranks, pools = self.cache_ranks, self.usable_pools
        found = max_context(ranks, pools, self.context, concurrency=concurrency, upper=upper)
        memory = self._by_memory
        return found if memory is None else max_context(ranks, pools, memory, concurrency=concurrency, upper=found)

    @property
    def _by_memory(self) -> CacheContext | None:
        """Where the number of blocks is given by hand: the cache that the memory would hold, which may be less."""
        if self.context.num_gpu_blocks_override is None:
            return None
        return evolve(self.context, num_gpu_blocks_override=None)

    @property
    def holds_all(self) -> bool:
        """Whether the cache has room for every asked request at once.

        So it has where the headroom stays free, unless a pool is smaller than the memory there is: given by hand, or charged more
        for CUDA graphs than they then take.
        """
        args = self.question.deployment.args
        left = self._left_for_cache
        smaller = args.num_gpu_blocks_override is not None or min(self.pools, default=left) < left
        if not self.plan.groups or not smaller:
            return True
        return self.most_requests(self.plan.max_model_len) >= self.question.deployment.concurrency


def compute(question: Question) -> Parts:
    """Weights, overhead and KV plan. Raises ParallelismError, InputError."""
    deployment = question.deployment
    args = deployment.args
    parallel = Parallelism.of_args(args)
    target = Target(
        capability=deployment.gpu.compute_capability,
        version=deployment.vllm_version,
        lora=args.enable_lora,
        moe_backend=args.experts_kernel,
    )
    model = resolve(question.spec, question.quantization, target)
    loaded, told = rank_weights(model, parallel, deployment.dtype), question.told
    if told is not None:
        described = question.spec is not told.spec
        loaded = tuple(each.weighed(rank, described=described) for each, rank in zip(told.ranks, loaded, strict=True))
    context = _same(cache_context(question))
    workspace = loaded_workspace_bytes(question.spec, context)
    lora = lora_bytes(model, loaded, parallel, args, deployment.dtype)
    besides = workspace + (exchange_buffer_bytes(model, parallel, deployment.dtype) if args.enable_eplb else 0)
    left = _left_by_loading(question, model, parallel)
    more = tuple(slot + besides + one.shown for slot, one in zip(lora, left, strict=True))
    weights = _adjusted(loaded, more, kept_on_host(model, loaded, parallel, deployment))
    overhead = predict_overhead(question, model, weights, parallel, workspace, max(one.beside for one in left))
    pools = _pools(question, weights, overhead)
    ranks = _cache_ranks(question.spec, tuple(rank.layers for rank in weights))
    if told is not None:
        ranks = tuple(rank.caches for rank in told.ranks)
    plan = plan_kv_cache(ranks, pools, context)
    return Parts(
        question=question,
        parallel=parallel,
        model=model,
        weights=weights,
        weights_bytes=max(rank.weights_bytes for rank in weights),
        cache_ranks=ranks,
        overhead=overhead,
        context=context,
        pools=pools,
        plan=told.plan.instead_of(plan) if told and told.plan and told.plan.pools == pools else plan,
    )


def _left_by_loading(question: Question, model: ResolvedModel, parallel: Parallelism) -> tuple[Leftover, ...]:
    """What another platform's loading leaves on each pipeline rank."""
    deployment = question.deployment
    chip, platform = deployment.gpu.compute_capability, platform_of(deployment.gpu.compute_capability)
    if platform is None or not isinstance(chip, Chip):
        return (Leftover(),) * parallel.pp
    ranks = layer_matrices(model, parallel, deployment.dtype)
    return tuple(platform.loading(layers, chip, deployment.vllm_version) for layers in ranks)


def _adjusted(
    weights: tuple[RankWeights, ...], more: tuple[int, ...], away: tuple[int, ...]
) -> tuple[RankWeights, ...]:
    """With LoRA slots, workspaces and what else loading leaves, and without what offloading keeps on the host."""
    if not any(away) and not any(more):
        return weights
    return tuple(
        evolve(rank, weights_bytes=rank.weights_bytes - less + extra)
        for rank, extra, less in zip(weights, more, away, strict=True)
    )


def _pools(question: Question, weights: tuple[RankWeights, ...], overhead: Overhead) -> tuple[int, ...]:
    """Each rank's memory for the cache: what the heaviest has, and what a lighter one's weights leave besides."""
    fixed = question.deployment.args.kv_cache_memory_bytes
    if fixed is not None:
        return (fixed,) * len(weights)
    heaviest = max(rank.weights_bytes for rank in weights)
    available = overhead.kv_cache_available.expected
    return tuple(max(0, available + heaviest - rank.weights_bytes) for rank in weights)


def _asked_backend(question: Question) -> str | None:
    """The backend that is asked for ("auto" is none: `config/attention.py:validate_backend_before`), or that the model's own
    rules ask for: Triton for uneven heads where FlashAttention 4 does not run.
    """
    asked = question.deployment.args.attention_backend
    if asked and asked.lower() != "auto":
        return asked
    without = question.deployment.gpu.compute_capability[0] not in (9, 10)
    return "TRITON_ATTN" if UNEVEN_HEADS in question.spec.hints and without else None


def architecture_problem(parts: Parts) -> str:
    """Why the release has no class for the model, "" where it has one; an engine that was asked has said so itself."""
    question = parts.question
    return "" if question.told else last_word_on(question.spec.architecture, question.deployment.vllm_version)


def kernel_problem(parts: Parts) -> str:
    """Why another platform than CUDA has no kernel for some module as it is stored, "" where it has one for each."""
    deployment = parts.question.deployment
    formats = (one.format for one in parts.model.modules if one.format is not None)
    needed = (form.needs for form in formats if form.needs)
    return method_problem(deployment.gpu.compute_capability, needed, deployment.vllm_version)


def cache_problem(parts: Parts) -> str:
    """Why vLLM cannot serve some cached layer as asked, "" where it serves each."""
    stored = with_unquantized_ends(parts.cache_ranks, parts.context)
    ranks = (tuple(layer for layer, _ in rank) for rank in stored)
    return next(filter(None, (refusal(layers, parts.context) for layers in ranks)), "")


@lru_cache(maxsize=256)
def _cache_ranks(spec: ModelSpec, stages: tuple[range, ...]) -> CacheRanks:
    """Per pipeline rank, each distinct cache layer with how many of it there are."""
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
        mamba_cache_mode=args.mamba_cache_mode,
        mamba_block_size=args.mamba_block_size,
        async_scheduling=args.async_scheduling,
        disable_hybrid_kv_cache_manager=args.disable_hybrid_kv_cache_manager,
        enable_prefix_caching=args.enable_prefix_caching if spec.chunks_prefill else False,
        is_hybrid=True if "hybrid" in spec.hints else None,
        full_cuda_graphs=graph_choice(args, deployment.vllm_version, spec).full,
        model_runner_v2=deployment.v2_runner,
        v0_engine=deployment.v0_engine,
        runner=spec.runner,
        num_attention_heads=spec.num_attention_heads,
        attention_backend=_asked_backend(question),
        uneven_heads=UNEVEN_HEADS in spec.hints,
        mm_prefix="mm_prefix_lm" in spec.hints,
        auto_fit_max_model_len=args.max_model_len == -1,
    )
