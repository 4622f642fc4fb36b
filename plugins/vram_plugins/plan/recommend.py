"""From the trial that fits to a recommendation: the last numbers, every flag with its reason, and the limits."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Mapping
from math import isfinite

from vram.advise import lowest_share, performance_of, smallest_memory
from vram.ask import answer, longest_context
from vram.components import compute
from vram.errors import VramError
from vram.models.deployment import EngineArgs
from vram.models.estimate import Estimate
from vram.models.performance import Performance, Workload
from vram.models.plan import PlanLimits, Recommendation, Setting
from vram.models.published import Published
from vram.models.record import evolve
from vram_plugins.plan.reasons import reason_of
from vram_plugins.plan.search import fit_on
from vram_plugins.plan.trials import Choice, Setup, Trial, attempt

_ROUND_LENGTH = 1024
#: engine arguments in the order a command names them; others the user gave follow
_ORDER = (
    "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "enable_expert_parallel", "quantization",
    "kv_cache_dtype", "max_model_len", "max_num_seqs", "max_num_batched_tokens", "gpu_memory_utilization",
)  # fmt: skip


def recommendation(
    setup: Setup, trial: Trial, *, hardware_reason: str, published: tuple[Published, ...]
) -> Recommendation:
    """The trial with its last numbers, estimated once more as `vram.estimate` would. Raises VramError."""
    trial = _polished(setup, trial)
    estimate = answer(trial.question)
    settings = settings_of(setup, trial, estimate)
    shape = trial.choice.shape
    return Recommendation(
        model=served_model(trial),
        gpu=setup.hardware.gpu.name,
        gpus=shape.gpus,
        replicas=shape.dp,
        settings=settings,
        command=serve_command(served_model(trial), settings),
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
    """The fewest GPUs that do it with the same model, odd numbers of them included."""
    most = trial.choice.shape.gpus
    level, length = trial.choice.level, setup.job.context_len
    return next((count for count in range(1, most) if fit_on(setup, level, count, length)), most)


def settings_of(setup: Setup, trial: Trial, estimate: Estimate) -> tuple[Setting, ...]:
    """Every flag of the command with its reason: the recommended ones, then what else the user gave."""
    args, facts = trial.question.deployment.args, estimate.deployment
    values: dict[str, object] = {name: getattr(args, name) for name in _ORDER}
    values["max_model_len"] = facts.max_model_len
    values["max_num_seqs"] = facts.max_num_seqs
    values["max_num_batched_tokens"] = facts.max_num_batched_tokens
    values["gpu_memory_utilization"] = facts.gpu_memory_utilization
    if args.kv_cache_dtype == "auto":
        del values["kv_cache_dtype"]
    found = []
    for name, value in {**values, **_others(setup.given)}.items():
        plain = json.dumps(dict(value)) if isinstance(value, Mapping) else value
        size = name.endswith("parallel_size")
        if plain is None or plain is False or (size and plain == 1 and name not in setup.given):
            continue
        if isinstance(plain, int | float | str):
            found.append(Setting(name=name, value=plain, reason=reason_of(name, setup, trial, estimate)))
    return tuple(found)


def serve_command(model: str, settings: Iterable[Setting]) -> str:
    """One line of shell that starts vLLM so."""
    words = ["vllm", "serve", model]
    for setting in settings:
        words.append("--" + setting.name.replace("_", "-"))
        if setting.value is not True:
            words.append(f"{setting.value:g}" if isinstance(setting.value, float) else str(setting.value))
    return shlex.join(words)


def served_model(trial: Trial) -> str:
    """What `vllm serve` is told: a Hub id, a local folder or file, or MODEL for dimensions given by hand."""
    checkpoint = trial.choice.level.variant.checkpoint
    if checkpoint.source == "manual":
        return "MODEL"
    if checkpoint.source in ("local", "gguf") and os.path.exists(checkpoint.config.path):
        path = checkpoint.config.path
        return (os.path.dirname(path) or ".") if path.endswith(".json") else path
    return checkpoint.id


def trial_command(setup: Setup, trial: Trial) -> str:
    """The command of a trial that is no recommendation."""
    return serve_command(served_model(trial), settings_of(setup, trial, answer(trial.question)))


def _others(given: Mapping[str, object]) -> dict[str, object]:
    defaults = {a.name: a.default for a in EngineArgs.__attrs_attrs__}
    return {name: value for name, value in given.items() if name not in _ORDER and value != defaults.get(name)}


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
    return changed if changed is not None and changed.cell.fits else trial


def _performance(setup: Setup, trial: Trial) -> Performance | None:
    """The speed of one replica; None where the GPU's rates are unknown, or the model generates nothing."""
    if trial.question.spec.runner == "pooling":
        return None
    job = setup.job
    load = Workload(
        prompt_tokens=job.prompt_tokens, gen_tokens=job.gen_tokens, concurrency=setup.share(trial.choice.shape)
    )
    try:
        found = performance_of(compute(trial.question), load)
    except VramError:
        return None
    return found if isfinite(found.tpot_ms.expected) else None
