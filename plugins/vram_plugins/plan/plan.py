"""`vram.plan`: from a workload and hardware to a configuration that starts and fits, or a clear no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Unpack

from vram.ask import as_checkpoint, check_types, own_variant, pose, with_graph
from vram.gpus import choose_hardware
from vram.models.checkpoint import Checkpoint, Model
from vram.models.deployment import EngineArgs, Policy, checked_concurrency
from vram.models.plan import Plan, Planner
from vram.models.record import evolve
from vram.models.targets import Targets
from vram.plugin import plugins
from vram.vllm import assumed_of, newest_for, parse_version
from vram_plugins.compare.prices import Prices
from vram_plugins.plan.candidates import counts_up_to
from vram_plugins.plan.forms import lighter_forms
from vram_plugins.plan.interconnect import with_interconnect
from vram_plugins.plan.job import MOST_GPUS, TimedJob, job_of, most_gpus, timed_job
from vram_plugins.plan.nearest import least_of
from vram_plugins.plan.search import levels_of
from vram_plugins.plan.targeted import check_timed, plan_for_targets
from vram_plugins.plan.trials import Setup
from vram_plugins.plan.untimed import planned_without_targets
from vram_plugins.plan.warnings import warnings_of
from vram_plugins.readers.gpu_counts import Kind, kinds_of
from vram_plugins.targets.lengths import Source

if TYPE_CHECKING:
    from vram.models.engine_arguments import EngineArguments

_MOST_OPTIONS = 3
_SIZES = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")


def plan(
    model: Model,
    *,
    gpu: str | None = None,
    gpu_memory_gib: float | None = None,
    gpus: int | None = None,
    used_gib: float | None = None,
    interconnect: str | float | None = None,
    prompt_tokens: int | None = None,
    gen_tokens: int | None = None,
    concurrency: int = 1,
    batching_mode: str = "balanced",
    ttft_ms: float | None = None,
    tpot_ms: float | None = None,
    requests_per_second: float | None = None,
    percentile: int = 50,
    goal: str = "cost",
    lengths: Source | None = None,
    prices: Prices = None,
    vllm_version: str | None = None,
    profile: str | None = None,
    policy: Policy | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    **engine_args: Unpack[EngineArguments],
) -> Plan:
    """Recommend how to run `model` on up to `gpus` GPUs (8, one machine, where not said): fewest GPUs that do the job first.

    `gpu` may be several kinds of machine, each with its number of GPUs ("8x H100, 4x L40S, p5.48xlarge"): the least memory in
    total that does the job is recommended, the others are options.
    `concurrency` users at once (over all replicas) send `prompt_tokens` and get `gen_tokens`. `batching_mode` is
    "throughput", "latency" or "balanced". `interconnect` is "nvlink", "pcie" or GB/s per GPU in one direction.
    `engine_args` (vLLM's names) are kept as given; what is left open is recommended. The model is changed (fp8 KV cache, a
    quantized checkpoint, quantization while loading) only where no number of GPUs allowed does without.

    With `ttft_ms`, `tpot_ms` or `requests_per_second` it recommends as many servers as keep these for `percentile` (50 or 95) per
    cent of requests, at the unfavourable ends of the intervals of speed (`Recommendation.service`); `goal` is the "cost" (by
    `prices`, as `vram.compare` takes them, else fewest GPUs), "latency" or "throughput" of all the GPUs. `lengths` is a file of
    prompt and answer tokens, or pairs of them, in place of `prompt_tokens` and `gen_tokens`.

    The recommendation was estimated and fits; where none does, `Plan.options` are the nearest that do. Raises VramError.
    """
    check_types(policy=policy, vllm_version=vllm_version, gpu_memory_gib=gpu_memory_gib, gpus=gpus, used_gib=used_gib)
    checkpoint = as_checkpoint(model, revision=revision)
    timed = timed_job(
        Targets(
            ttft_ms=ttft_ms,
            tpot_ms=tpot_ms,
            requests_per_second=requests_per_second,
            percentile=percentile,
            goal=goal,  # type: ignore[arg-type]  # checked there
        ),
        lengths=lengths,
        prices=prices,
        tokens=(prompt_tokens, gen_tokens),
    )
    unnamed = timed is not None and gpu is None and gpu_memory_gib is None and profile is None
    kinds = timed.kinds if timed is not None and unnamed else kinds_of(gpu)
    if timed is not None and len(kinds) > 1:
        timed = evolve(timed, lighter=False)

    def plans_for(timed: TimedJob | None) -> list[Plan]:
        return [
            _plan_of(
                Kind(gpu=kind.gpu, count=gpus if kind.count is None else kind.count),
                checkpoint,
                gpu_memory_gib=gpu_memory_gib,
                used_gib=used_gib,
                interconnect=interconnect,
                tokens=(prompt_tokens, gen_tokens),
                timed=timed,
                concurrency=concurrency,
                batching_mode=batching_mode,
                vllm_version=vllm_version,
                profile=profile,
                policy=policy,
                trust_remote_code=trust_remote_code,
                engine_args=engine_args,
            )
            for kind in kinds
        ]

    if timed is None or not unnamed:
        return least_of(plans_for(timed))
    plans = plans_for(evolve(timed, own_only=True))
    as_it_is = any(plan.feasible for plan in plans)  # else some other form of it, which takes longer to look for
    return least_of(plans if as_it_is else plans_for(timed), most=_MOST_OPTIONS)


def _plan_of(
    kind: Kind,
    checkpoint: Checkpoint,
    *,
    gpu_memory_gib: float | None,
    used_gib: float | None,
    interconnect: str | float | None,
    tokens: tuple[int | None, int | None],
    timed: TimedJob | None,
    concurrency: int,
    batching_mode: str,
    vllm_version: str | None,
    profile: str | None,
    policy: Policy | None,
    trust_remote_code: bool,
    engine_args: Mapping[str, Any],
) -> Plan:
    """The plan for one kind of machine. Raises VramError."""
    registry = plugins()
    args = EngineArgs.from_mapping(engine_args, beside=plan.__kwdefaults__)
    given = {name: value for name, value in engine_args.items() if value is not None}
    found = choose_hardware(registry, gpu=kind.gpu, gpu_memory_gib=gpu_memory_gib, profile=profile, used_gib=used_gib)
    hardware = evolve(found, gpu=with_interconnect(found.gpu, interconnect))
    if given.get("max_model_len") == -1:
        del given["max_model_len"]  # the longest that fits is what a plan without a length looks for
    users = checked_concurrency(concurrency)
    # posed once before anything is tried: bad input is an error of its own, a refused trial only does not divide
    base = pose(
        with_graph(registry, checkpoint, trust_remote_code),
        hardware,
        EngineArgs.from_mapping({**given, **dict.fromkeys(_SIZES, 1)}),
        version=parse_version(vllm_version) if vllm_version else newest_for(found.gpu.compute_capability),
        policy=policy,
        assumed=assumed_of(vllm_version),
    )
    job = job_of(given, *tokens, users, batching_mode, base, timed)
    most = hardware.profile.gpu_count if kind.count is None else kind.count
    setup = Setup(base=base, hardware=hardware, job=job, given=given)
    planned = planned_without_targets(setup, args, most) if timed is None else _targeted(setup, args, most, timed)
    assumed = timed is not None and timed.assumed
    told = warnings_of(planned, base, chosen=vllm_version is None, assumed_lengths=assumed)
    return evolve(planned, warnings=told)


def _targeted(setup: Setup, args: EngineArgs, gpus: int | None, timed: TimedJob) -> Plan:
    """The plan for targets of speed, with the levels of change that a plan without them tries, too."""
    check_timed(setup)
    most = most_gpus(gpus, args)
    all_of_them = MOST_GPUS if gpus is None and timed.targets.goal == "cost" else most
    aims = timed.aims(setup, all_of_them, counts_up_to(most, setup.pinned))
    own = tuple(levels_of(setup, (own_variant(setup.base.checkpoint, args.quantization),)))
    lighter = () if timed.own_only else lighter_forms(setup, setup.base.checkpoint, own[0])
    return plan_for_targets(setup, (*own, *levels_of(setup, lighter)), aims)


_promised: Planner = plan  # what type checkers know as vram.plan
