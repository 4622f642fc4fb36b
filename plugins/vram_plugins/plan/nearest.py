"""Other ways than the recommended, each asked and answered before it is named: with fewer GPUs, with all of them, and the changes
that the estimate of the closest deployment names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Any

from vram.ask import as_checkpoint, redeploy
from vram.gpus import find_gpu, hardware_of, profile_for
from vram.models.estimate import Change
from vram.models.plan import Option, Plan, Recommendation
from vram.models.record import evolve
from vram.plugin import plugins
from vram.units import counted, gib
from vram.vllm import format_version, parse_version
from vram_plugins.plan.candidates import counts_up_to
from vram_plugins.plan.reasons import obstacle_of
from vram_plugins.plan.recommend import command_of, served_model, trial_command
from vram_plugins.plan.search import choices, fit_on
from vram_plugins.plan.service_words import heading_of
from vram_plugins.plan.trials import Level, Setup, Trial, attempt, judged

#: arguments that ask for other hardware, or for another model on it
_ELSEWHERE = frozenset(
    {"gpu", "model", "tensor_parallel_size", "pipeline_parallel_size", "cpu_offload_gb", "vllm_version"}
)
_NEAR = 0.03  # of a GPU's budget: who lacks no more than that is told how to do without another GPU
_MOST_NEAR = 2


def with_fewer_gpus(setup: Setup, levels: Iterable[Level], found: Trial) -> Iterator[Option]:
    """Levels of more change than the recommended one that do with fewer GPUs."""
    fewest = found.choice.shape.gpus
    for level in levels:
        counts = [count for count in counts_up_to(fewest, setup.pinned) if count < fewest]
        trial = next((t for n in counts if (t := fit_on(setup, level, n, found.choice.length))), None)
        if trial is not None:
            fewest = trial.choice.shape.gpus
            yield option_of(setup, trial, f"{counted(fewest, 'GPU')} {described(level)}")


def with_all_gpus(setup: Setup, most: int, found: Trial) -> Iterator[Option]:
    """All the GPUs at hand, for speed, where fewer are enough."""
    if most <= found.choice.shape.gpus:
        return
    trial = fit_on(setup, found.choice.level, most, found.choice.length)
    if trial is not None:
        yield option_of(setup, trial, f"all {most} GPUs at hand, for more speed and users")


def almost(setup: Setup, closest: Trial) -> Iterator[Option]:
    """How fewer GPUs do it that lack next to nothing: less context, fewer users, an fp8 cache."""
    if is_near(closest):
        changes = judged(closest.question).verdict.changes
        near = [change for change in changes if not _ELSEWHERE & change.arguments.keys()]
        for change in near[:_MOST_NEAR]:
            yield _changed(setup, closest, change, counted(closest.choice.shape.gpus, "GPU"))


def is_near(closest: Trial) -> bool:
    """Whether a trial starts and lacks next to nothing of the GPU's budget."""
    deployment = closest.question.deployment
    budget = deployment.gpu_memory_bytes * deployment.gpu_memory_utilization
    return (
        closest.cell.starts
        and gib(closest.question.policy.headroom_gib) - closest.cell.headroom_bytes <= _NEAR * budget
    )


def nearest(
    setup: Setup, levels: tuple[Level, ...], closest: Trial | None, most: int, length: int
) -> tuple[Option, ...]:
    """What would start and fit instead: the estimate's changes of the closest deployment, or other parallel sizes."""
    if closest is None:
        return tuple(_unpinned(setup, levels, most, length))
    changes = judged(closest.question).verdict.changes
    return tuple(_changed(setup, closest, change) for change in changes)


def least_of(plans: Sequence[Plan], *, most: int | None = None) -> Plan:
    """Of plans for several kinds of machine the one that takes the least memory, or serves its targets' goal best, with the others as
    its options; with `most` so many of them, where nobody named them.
    """
    feasible = sorted((plan for plan in plans if plan.recommendation is not None), key=_cost)
    chosen = feasible[0] if feasible else min(plans, key=_cost)
    others = [
        Option(
            title=f"{heading_of(found)}{_hourly(found)}",
            gpu=found.gpu,
            gpus=found.gpus,
            model=found.model,
            max_model_len=found.estimate.deployment.max_model_len,
            concurrency=plan.job.concurrency,
            command=found.command,
            vllm_version=found.estimate.deployment.vllm_version,
        )
        for plan in feasible
        if plan is not chosen and (found := plan.recommendation) is not None
    ]
    passed = [plan for plan in plans if plan is not chosen and plan.recommendation is None]
    told = [f"{plan.most_gpus} × {plan.gpu} would not do: {plan.obstacle}." for plan in passed if feasible]
    warnings = chosen.warnings if most is not None else (*chosen.warnings, *told)
    return evolve(chosen, options=(*others[:most], *chosen.options), warnings=warnings)


def _cost(plan: Plan) -> tuple[float, ...]:
    """Whether the model is changed, and the price or the bytes of all GPUs, or what a goal counts; of plans that do not fit the most is
    nearest.
    """
    found = plan.recommendation
    if found is None:
        return (False, -plan.most_gpus * plan.gpu_memory_bytes)
    changed = found.model != plan.model or bool({"quantization", "kv_cache_dtype"} & found.engine_args.keys())
    size, service = float(found.gpus * found.estimate.deployment.gpu_memory_bytes), found.service
    if service is None or plan.targets is None or plan.lengths is None:
        return (changed, size)
    if plan.targets.goal == "latency":
        return (changed, service.ttft_ms + service.tpot_ms * plan.lengths.gen_tokens, size)
    if plan.targets.goal == "throughput":
        return (changed, -service.most_requests_per_s, size)
    return (changed, inf if service.price_per_hour is None else service.price_per_hour, size)


def _hourly(found: Recommendation) -> str:
    service = found.service
    if service is None or service.price_per_hour is None:
        return ""
    return f" for {service.price_per_hour:,.2f}{f' {service.currency}' if service.currency else ''} per hour"


def refused(setup: Setup, closest: Trial) -> Option:
    """A deployment that was tried and does not do, with the reason and the command that shows it."""
    return option_of(setup, closest, obstacle_of(closest.cell, closest))


def described(level: Level) -> str:
    """How a level stores the model, as the end of a phrase."""
    variant, parts = level.variant, []
    if variant.published is not None:
        parts.append(f"with the {variant.published.quantization} checkpoint {variant.published.id}")
    elif not variant.own:
        parts.append(f"quantized to {variant.quantization} while loading")
    if level.kv_cache_dtype not in ("auto", "bfloat16", "float16"):
        parts.append(f"with an {level.kv_cache_dtype} KV cache")
    return " and ".join(parts) or "with the model as it is"


def best_trials(setup: Setup, level: Level, count: int, length: int) -> Iterator[Trial]:
    """Every shape of `count` GPUs that vLLM could be asked for, at the largest share of the GPU."""
    for choice in choices(setup, level, count, length, setup.highest_utilization):
        trial = attempt(setup, choice)
        if trial is not None:
            yield trial


def _unpinned(setup: Setup, levels: tuple[Level, ...], most: int, length: int) -> Iterator[Option]:
    """As many GPUs divided otherwise than the user said, where that divides nothing."""
    other = evolve(setup, given={name: v for name, v in setup.given.items() if not name.endswith("parallel_size")})
    for level in levels:
        for count in counts_up_to(most, other.pinned):
            trial = fit_on(other, level, count, length)
            if trial is not None:
                yield option_of(other, trial, f"other parallel sizes, {counted(count, 'GPU')} {described(level)}")
                return


def _changed(setup: Setup, trial: Trial, change: Change, prefix: str = "") -> Option:
    """A change of a trial as a command."""
    arguments: dict[str, Any] = dict(change.arguments)
    profiles, resolved = plugins().profiles, dict[str, Any]()
    checkpoint, hardware = trial.question.checkpoint, trial.question.hardware
    if (model := arguments.pop("model", None)) is not None:
        resolved["checkpoint"] = checkpoint = as_checkpoint(model)
    if (name := arguments.pop("gpu", None)) is not None:
        gpu = find_gpu(name, profiles)
        resolved["hardware"] = hardware = hardware_of(gpu, profile_for(gpu, profiles), used_bytes=hardware.used_bytes)
    if (version := arguments.pop("vllm_version", None)) is not None:
        resolved["version"] = parse_version(version)
    question = redeploy(trial.question, **resolved, **arguments)
    deployment, replicas = question.deployment, question.deployment.args.data_parallel_size
    variant = evolve(trial.choice.level.variant, checkpoint=checkpoint) if model else trial.choice.level.variant
    estimate = judged(question)
    cost = f"costs {change.gives_up}" + (f" (vLLM {estimate.deployment.vllm_version})" if version else "")
    gpus = deployment.tp * deployment.pp * replicas
    if not prefix and (gpus, hardware.gpu.name) != (trial.choice.shape.gpus, trial.question.hardware.gpu.name):
        prefix = f"{gpus} × {hardware.gpu.name}"
    return Option(
        title=", ".join(filter(None, (prefix, cost))),
        gpu=hardware.gpu.name,
        gpus=gpus,
        model=served_model(variant),
        max_model_len=estimate.deployment.max_model_len,
        concurrency=deployment.concurrency * replicas,
        command=command_of(setup, question, estimate, served_model(variant)),
        vllm_version=estimate.deployment.vllm_version,
    )


def option_of(setup: Setup, trial: Trial, title: str) -> Option:
    """A trial as a command, with all the users of the job."""
    return Option(
        title=title,
        gpu=setup.hardware.gpu.name,
        gpus=trial.choice.shape.gpus,
        model=served_model(trial.choice.level.variant),
        max_model_len=trial.choice.length,
        concurrency=setup.job.concurrency,
        command=trial_command(setup, trial),
        vllm_version=format_version(trial.question.deployment.vllm_version),
    )
