"""From the trial that fits to a recommendation: the last numbers, every flag with its reason, and the limits."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from math import isfinite

from vram.advise import lowest_share, performance_of, smallest_memory
from vram.ask import Question, Variant, longest_context
from vram.components import compute
from vram.errors import VramError
from vram.models.checkpoint import Checkpoint
from vram.models.deployment import EngineArgs
from vram.models.estimate import Estimate
from vram.models.performance import Performance, Range, Workload
from vram.models.plan import PlanLimits, Recommendation, Setting
from vram.models.published import Published
from vram.models.record import evolve
from vram.serving import serve_flags_of
from vram_plugins.plan.candidates import counts_up_to
from vram_plugins.plan.reasons import reason_of
from vram_plugins.plan.search import fit_on
from vram_plugins.plan.trials import Choice, Setup, Trial, attempt, judged

_ROUND_LENGTH = 1024
#: engine arguments in the order a command names them; others the user gave follow
_ORDER = (
    "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "enable_expert_parallel", "quantization",
    "kv_cache_dtype", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization",
)  # fmt: skip
_UNSAID = frozenset({*_ORDER, "environment", "not_modelled"})


def recommendation(
    setup: Setup, trial: Trial, *, hardware_reason: str, published: tuple[Published, ...]
) -> Recommendation:
    """The trial with its last numbers, estimated once more as `vram.estimate` would. Raises VramError."""
    return as_recommended(setup, _polished(setup, trial), hardware_reason=hardware_reason, published=published)


def as_recommended(
    setup: Setup, trial: Trial, *, hardware_reason: str, published: tuple[Published, ...]
) -> Recommendation:
    """The trial as it is, estimated once more as `vram.estimate` would. Raises VramError."""
    estimate = judged(trial.question)
    settings = settings_of(setup, trial, estimate)
    shape = trial.choice.shape
    return Recommendation(
        model=served_model(trial.choice.level.variant),
        gpu=setup.hardware.gpu.name,
        gpus=shape.gpus,
        replicas=shape.dp,
        settings=settings,
        command=command_of(setup, trial.question, estimate, served_model(trial.choice.level.variant)),
        hardware_reason=hardware_reason,
        estimate=estimate,
        limits=PlanLimits(
            min_gpus=fewest_gpus(setup, trial),
            min_utilization=lowest_share(trial.question),
            min_memory_bytes=smallest_memory(trial.question),
            max_context=estimate.limits.max_context_at_concurrency,
            max_concurrency=estimate.limits.max_concurrency_at_context * shape.dp,
        ),
        performance=_performance(setup, trial),
        published=published,
    )


def fewest_gpus(setup: Setup, trial: Trial) -> int:
    """The fewest GPUs, of numbers that are rented, that do it with the same model."""
    most = trial.choice.shape.gpus
    level, length = trial.choice.level, setup.job.context_len
    counts = counts_up_to(most, setup.pinned)
    return next((count for count in counts if count == most or fit_on(setup, level, count, length)), most)


def settings_of(setup: Setup, trial: Trial, estimate: Estimate) -> tuple[Setting, ...]:
    """Every flag of the command with its reason: the recommended ones, then what else the user gave."""
    found = []
    for name, value in values_of(setup, trial.question, estimate).items():
        plain = json.dumps(dict(value) if isinstance(value, Mapping) else value)
        text = value if isinstance(value, int | float | str) else plain
        found.append(Setting(name=name, value=text, reason=reason_of(name, setup, trial, estimate)))
    return tuple(found)


def values_of(setup: Setup, question: Question, estimate: Estimate) -> dict[str, object]:
    """The engine arguments of a command: those a plan decides, then whatever else is not vLLM's default. What vLLM derives is
    left to it: a batch given by hand bounds the length of prompts that are not split.
    """
    args, facts = question.deployment.args, estimate.deployment
    values: dict[str, object] = {name: getattr(args, name) for name in _ORDER}
    values |= {"max_model_len": facts.max_model_len, "gpu_memory_utilization": facts.gpu_memory_utilization}
    if args.kv_cache_dtype == "auto":
        del values["kv_cache_dtype"]
    sizes = [
        name for name in values if name.endswith("parallel_size") and values[name] == 1 and name not in setup.given
    ]
    values = {name: value for name, value in values.items() if name not in sizes and value not in (None, False)}
    others = {each.name: getattr(args, each.name) for each in EngineArgs.__attrs_attrs__ if each.name not in _UNSAID}
    defaults = {each.name: each.default for each in EngineArgs.__attrs_attrs__}
    return values | {name: value for name, value in others.items() if value != defaults[name] and value is not None}


def command_of(setup: Setup, question: Question, estimate: Estimate, model: str) -> str:
    """One line of shell that starts vLLM so, in the words of its release. Raises InputError where that lacks a flag."""
    flags = serve_flags_of(values_of(setup, question, estimate), question.deployment.vllm_version)
    set_before = [f"{name}={value}" for name, value in (question.deployment.args.environment or {}).items()]
    return shlex.join([*set_before, "vllm", "serve", model, *(word for flag in flags for word in flag)])


def served_model(variant: Variant) -> str:
    """What `vllm serve` is told of it."""
    return served_name(variant.checkpoint)


def served_name(checkpoint: Checkpoint) -> str:
    """What `vllm serve` is told: a Hub id, a local folder or file, or MODEL for dimensions given by hand."""
    if checkpoint.source == "manual":
        return "MODEL"
    if checkpoint.source in ("local", "gguf") and os.path.exists(checkpoint.config.path):
        path = checkpoint.config.path
        return (os.path.dirname(path) or ".") if path.endswith(".json") else path
    return checkpoint.id


def trial_command(setup: Setup, trial: Trial) -> str:
    """The command of a trial that is no recommendation."""
    return command_of(setup, trial.question, judged(trial.question), served_model(trial.choice.level.variant))


def _polished(setup: Setup, trial: Trial) -> Trial:
    """As long a context as fits where none was asked for; else no more sequences than the cache holds full ones of."""
    if setup.job.assumed:
        return _lengthened(setup, trial)
    seqs, users = trial.choice.max_num_seqs, setup.share(trial.choice.shape)
    if seqs is None:
        return trial
    return _if_fits(setup, trial, evolve(trial.choice, max_num_seqs=min(seqs, max(users, trial.cell.most_requests))))


def _lengthened(setup: Setup, trial: Trial) -> Trial:
    """The longest context that fits, in whole KiB."""
    own = trial.question.spec.max_model_len
    longest = min(own, longest_context(compute(trial.question)))
    length = longest if longest == own else longest // _ROUND_LENGTH * _ROUND_LENGTH
    return _if_fits(setup, trial, evolve(trial.choice, length=length)) if length > trial.choice.length else trial


def _if_fits(setup: Setup, trial: Trial, choice: Choice) -> Trial:
    changed = attempt(setup, choice)
    return changed if changed is not None and changed.cell.surely_fits else trial


def _performance(setup: Setup, trial: Trial) -> Performance | None:
    """The speed of one replica; None where the GPU's rates are unknown. A pooling model has that of its prompts alone."""
    job, pools = setup.job, trial.question.spec.runner == "pooling"
    load = Workload(
        prompt_tokens=job.prompt_tokens, gen_tokens=job.gen_tokens or 1, concurrency=setup.share(trial.choice.shape)
    )
    try:
        found = performance_of(compute(trial.question), load)
    except VramError:
        return None
    if pools:
        nothing = Range(low=0.0, expected=0.0, high=0.0)
        rate, tokens = found.requests_per_s, job.prompt_tokens
        total = Range(low=rate.low * tokens, expected=rate.expected * tokens, high=rate.high * tokens)
        return evolve(
            found,
            tpot_ms=nothing,
            output_tokens_per_s=nothing,
            output_tokens_per_s_per_user=nothing,
            total_tokens_per_s=total,
            bound=found.prefill_bound,
        )
    return found if isfinite(found.tpot_ms.expected) else None
