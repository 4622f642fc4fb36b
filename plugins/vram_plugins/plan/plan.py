"""`vram.plan`: from a workload and hardware to a configuration that starts and fits, or a clear no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram.ask import Variant, as_checkpoint, online_variants, own_variant, pose, published_variants, with_graph
from vram.errors import InputError
from vram.gpus import choose_hardware
from vram.models.checkpoint import Checkpoint, Model
from vram.models.deployment import EngineArgs, Policy, checked_concurrency
from vram.models.plan import Job, Plan, Planner, checked_mode, checked_tokens
from vram.models.published import Published
from vram.models.record import evolve
from vram.models.spec import ModelSpec
from vram.plugin import plugins
from vram.units import counted
from vram.vllm import newest_for, parse_version
from vram_plugins.plan.candidates import GPUS_PER_MACHINE, Shape, counts_up_to
from vram_plugins.plan.interconnect import with_interconnect
from vram_plugins.plan.machines import Kind, kinds_of
from vram_plugins.plan.nearest import (
    almost,
    best_trials,
    described,
    is_near,
    least_of,
    nearest,
    refused,
    with_all_gpus,
    with_fewer_gpus,
)
from vram_plugins.plan.reasons import obstacle_of
from vram_plugins.plan.recommend import recommendation
from vram_plugins.plan.search import first_fit, levels_of
from vram_plugins.plan.tokens import length_of, tokens_within
from vram_plugins.plan.trials import Choice, Level, Setup, Trial, attempt
from vram_plugins.plan.warnings import warnings_of

_ASSUMED_CONTEXT = 8192
_MOST_GPUS = 1024
_MOST_OPTIONS = 3
_SIZES = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
_LIGHTER = 0.95  # share of the weights from which on a change is not worth it


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
    vllm_version: str | None = None,
    profile: str | None = None,
    policy: Policy | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    **engine_args: Any,
) -> Plan:
    """Recommend how to run `model` on up to `gpus` GPUs (8, one machine, where not said): fewest GPUs that do the job first.

    `gpu` may be several kinds of machine, each with its number of GPUs ("8x H100, 4x L40S, p5.48xlarge"): the least memory in
    total that does the job is recommended, the others are options.
    `concurrency` users at once (over all replicas) send `prompt_tokens` and get `gen_tokens`. `batching_mode` is
    "throughput", "latency" or "balanced". `interconnect` is "nvlink", "pcie" or GB/s per GPU in one direction.
    `engine_args` (vLLM's names) are kept as given; what is left open is recommended. The model is changed (fp8 KV cache, a
    quantized checkpoint, quantization while loading) only where no number of GPUs allowed does without.

    The recommendation was estimated and fits; where none does, `Plan.options` are the nearest that do. Raises VramError.
    """
    checkpoint = as_checkpoint(model, revision=revision)
    plans = [
        _plan_of(
            Kind(gpu=kind.gpu, count=gpus if kind.count is None else kind.count),
            checkpoint,
            gpu_memory_gib=gpu_memory_gib,
            used_gib=used_gib,
            interconnect=interconnect,
            tokens=(prompt_tokens, gen_tokens),
            concurrency=concurrency,
            batching_mode=batching_mode,
            vllm_version=vllm_version,
            profile=profile,
            policy=policy,
            trust_remote_code=trust_remote_code,
            engine_args=engine_args,
        )
        for kind in kinds_of(gpu)
    ]
    return least_of(plans)


def _plan_of(
    kind: Kind,
    checkpoint: Checkpoint,
    *,
    gpu_memory_gib: float | None,
    used_gib: float | None,
    interconnect: str | float | None,
    tokens: tuple[int | None, int | None],
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
    args = EngineArgs.from_mapping(engine_args)
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
    )
    job = _job(given, *tokens, users, batching_mode, base.spec)
    most = hardware.profile.gpu_count if kind.count is None else kind.count
    planned = _planned(Setup(base=base, hardware=hardware, job=job, given=given), args, most)
    return evolve(planned, warnings=warnings_of(planned, base, chosen=vllm_version is None))


def _planned(setup: Setup, args: EngineArgs, gpus: int | None) -> Plan:
    most, checkpoint = _most(gpus, args), setup.base.checkpoint
    own = tuple(levels_of(setup, (own_variant(checkpoint, args.quantization),)))
    length, counts = setup.job.context_len, counts_up_to(most, setup.pinned)
    lighter = _lighter(setup, checkpoint, own[0])
    levels = (*own, *levels_of(setup, lighter))
    base = Plan(model=checkpoint.id, gpu=setup.hardware.gpu.name, most_gpus=most, job=setup.job, recommendation=None)
    found = first_fit(setup, levels, counts, length)
    if found is None:
        closest = _most_of(setup, levels[0], counts, length)
        options = nearest(setup, levels, closest, most, length)
        shown = () if closest is None else (refused(setup, closest),)
        return evolve(base, obstacle=_why_not(closest), options=options, refused=shown)
    level = found.choice.level
    fewer = _fewer(setup, found, counts)
    recommended = recommendation(
        setup,
        found,
        hardware_reason=_hardware_reason(found, counts, fewer, _change_reason(setup, levels, level, counts)),
        published=_published(lighter, level.variant),
    )
    options = (
        *(almost(setup, fewer) if fewer is not None else ()),
        *with_all_gpus(setup, gpus or 0, found),
        *with_fewer_gpus(setup, levels[levels.index(level) + 1 :], found),
    )
    shown = () if fewer is None else (refused(setup, fewer),)
    return evolve(base, recommendation=recommended, options=options[:_MOST_OPTIONS], refused=shown)


def _job(
    given: Mapping[str, object], prompt: int | None, gen: int | None, concurrency: int, mode: str, spec: ModelSpec
) -> Job:
    """The work asked for; a pooling model reads and generates nothing. Raises InputError."""
    prompt, gen = checked_tokens("prompt_tokens", prompt), checked_tokens("gen_tokens", gen)
    asked, pools = given.get("max_model_len"), spec.runner == "pooling"
    if pools and gen:
        raise InputError(name="gen_tokens", value=gen, problem="is of generation, and this model pools")
    assumed = not isinstance(asked, int) and prompt is None and gen is None
    if isinstance(asked, int):
        context = asked
    elif assumed:
        context = min(spec.max_model_len, _ASSUMED_CONTEXT)
    else:
        context = length_of(prompt, 0 if pools else gen)
    prompt_tokens, gen_tokens = tokens_within(prompt, 0 if pools else gen, context)
    return Job(
        prompt_tokens=prompt_tokens,
        gen_tokens=gen_tokens,
        concurrency=concurrency,
        batching_mode=checked_mode(mode),
        context_len=context,
        assumed=assumed,
    )


def _most(gpus: int | None, args: EngineArgs) -> int:
    """The most GPUs the plan may take. Raises InputError."""
    asked = args.tensor_parallel_size * args.pipeline_parallel_size * args.data_parallel_size
    if gpus is None:
        return max(GPUS_PER_MACHINE, asked)
    if not isinstance(gpus, int) or isinstance(gpus, bool) or not 1 <= gpus <= _MOST_GPUS:
        raise InputError(name="gpus", value=gpus, problem=f"must be a whole number from 1 to {_MOST_GPUS}")
    if asked > gpus:
        raise InputError(name="gpus", value=gpus, problem=f"is less than the {asked} GPUs of the parallel sizes given")
    return gpus


def _lighter(setup: Setup, checkpoint: Checkpoint, own: Level) -> tuple[Variant, ...]:
    """Lighter forms of the model that the GPU has kernels for, the heaviest first; of equals its own publisher's first."""
    if "quantization" in setup.given or checkpoint.manual is not None:
        return ()
    as_is = _alone(setup, own)
    if as_is is None:
        return ()
    publisher = checkpoint.id.partition("/")[0]
    found = []
    for variant in (
        *published_variants(checkpoint.id),
        *online_variants(checkpoint, setup.base.behaviour.version),
    ):
        trial = _alone(setup, evolve(own, variant=variant))
        if trial is None or trial.cell.obstacle in ("architecture", "format"):
            continue
        share = trial.cell.weights_bytes / max(1, as_is.cell.weights_bytes)
        if share < _LIGHTER:
            foreign = variant.published is None or variant.published.id.partition("/")[0] != publisher
            found.append(((-round(share, 1), foreign, variant.published is None, -share), variant))
    return tuple(variant for _, variant in sorted(found, key=lambda pair: pair[0]))


def _alone(setup: Setup, level: Level) -> Trial | None:
    """A level on one GPU, fitting or not."""
    return attempt(setup, Choice(level=level, shape=Shape(), length=setup.job.context_len))


def _published(lighter: tuple[Variant, ...], chosen: Variant) -> tuple[Published, ...]:
    """The published checkpoints that are as light as the chosen form, where one is needed."""
    as_light = () if chosen.own else lighter[lighter.index(chosen) :]
    return tuple(each.published for each in as_light if each.published is not None)


def _hardware_reason(found: Trial, counts: tuple[int, ...], fewer: Trial | None, change: str) -> str:
    """Why so many GPUs, and why the model is changed where it is."""
    gpus = found.choice.shape.gpus
    if gpus == counts[0]:
        return ("one is enough" if gpus == 1 else "as many as the parallel sizes given take") + change
    name = counts[counts.index(gpus) - 1]
    if fewer is None:
        return f"{'one' if name == 1 else name} cannot share the model as asked{change}"
    near = f" (so close that {counted(name, 'GPU')} with a little less is the better buy)" if is_near(fewer) else ""
    return f"{'one' if name == 1 else name} would not do: {obstacle_of(fewer.cell, fewer)}{near}{change}"


def _change_reason(setup: Setup, levels: tuple[Level, ...], level: Level, counts: tuple[int, ...]) -> str:
    """Why the model is not run as it is, as a sentence; "" where it is."""
    if level == levels[0]:
        return ""
    stored = described(level)
    why = _why_not(_most_of(setup, levels[0], counts, setup.job.context_len))
    return f". {stored[0].upper()}{stored[1:]}, since as it is, {why}"


def _fewer(setup: Setup, found: Trial, counts: tuple[int, ...]) -> Trial | None:
    """The closest that the next smaller number of GPUs comes; None where there is none, or the model cannot be divided so."""
    fewer = [count for count in counts if count < found.choice.shape.gpus]
    return _closest(setup, found.choice.level, fewer[-1], setup.job.context_len) if fewer else None


def _why_not(closest: Trial | None) -> str:
    """Why nothing fits, told of the model as it is on as many GPUs as may be."""
    if closest is None:
        return "the parallel sizes given do not divide the model's heads, layers or widths"
    why, count = obstacle_of(closest.cell, closest), closest.choice.shape.gpus
    if closest.cell.obstacle in ("architecture", "format", "max_model_len"):
        return why  # whatever the number
    return f"even on {count} GPUs, {why}" if count > 1 else f"on one GPU, {why}"


def _most_of(setup: Setup, level: Level, counts: tuple[int, ...], length: int) -> Trial | None:
    """The closest trial on as many GPUs as the model can be divided over."""
    return next((t for count in reversed(counts) if (t := _closest(setup, level, count, length))), None)


def _closest(setup: Setup, level: Level, count: int, length: int) -> Trial | None:
    """The trial on so many GPUs that lacks least; of one replica, which is what a reason is about."""
    trials = [trial for trial in best_trials(setup, level, count, length) if not trial.cell.surely_fits]
    return max(trials, key=lambda one: (one.cell.starts, -one.choice.shape.dp, one.cell.headroom_bytes), default=None)


_promised: Planner = plan  # what type checkers know as vram.plan
