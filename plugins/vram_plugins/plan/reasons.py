"""Why each flag is recommended, in one sentence with its numbers."""

from __future__ import annotations

from collections.abc import Callable

from vram.ask import Cell
from vram.models.estimate import Estimate
from vram.models.record import frozen
from vram.units import format_gib, gib
from vram_plugins.plan.trials import Setup, Trial, judged

_ASKED = "as you asked"


@frozen(kw_only=True, eq=False)
class _Chosen:
    """What reasons are given for."""

    setup: Setup
    trial: Trial
    estimate: Estimate


def reason_of(name: str, setup: Setup, trial: Trial, estimate: Estimate) -> str:
    """The reason of one engine argument."""
    if name in setup.given:
        return _ASKED
    maker = _REASONS.get(name)
    return maker(_Chosen(setup=setup, trial=trial, estimate=estimate)) if maker else _ASKED


def obstacle_of(cell: Cell, trial: Trial) -> str:
    """What stands in the way of a trial, as the end of a sentence."""
    deployment = trial.question.deployment
    if cell.obstacle == "max_model_len":
        return (
            f"the model takes at most {trial.question.spec.derived_max_model_len:,} tokens, not {cell.max_model_len:,}"
        )
    if not cell.starts:
        checks = judged(trial.question).verdict.checks
        return next(check.message.rstrip(".") for check in checks if not check.passed)
    work = f"{deployment.concurrency:,} × {cell.max_model_len:,} tokens"
    asked = gib(trial.question.policy.headroom_gib)
    if cell.headroom_bytes < 0:
        return f"{work} need {format_gib(-cell.headroom_bytes)} more than the budget of each GPU"
    if cell.headroom_bytes < asked:
        missing = format_gib(asked - cell.headroom_bytes)
        return f"{work} leave {format_gib(cell.headroom_bytes)} of the budget free, {missing} less than the headroom asked for"
    if cell.fits:
        return "the start is too close to be sure"
    return f"the KV cache holds {cell.most_requests:,} × {cell.max_model_len:,} tokens at once"


def _tensor(it: _Chosen) -> str:
    tp, spec = it.trial.choice.shape.tp, it.trial.question.spec
    divided = f"each layer is divided over {tp} GPUs, which its {spec.num_attention_heads} heads allow"
    return f"{divided}; {format_gib(it.estimate.memory.weights.expected)} of weights per GPU"


def _pipeline(it: _Chosen) -> str:
    shape, spec = it.trial.choice.shape, it.trial.question.spec
    return (
        f"{spec.num_layers} layers in {shape.pp} stages, since {shape.gpus} GPUs cannot each take a part of every layer"
    )


def _data(it: _Chosen) -> str:
    shape = it.trial.choice.shape
    why = "replicas need no all-reduce, and one holds its share" if it.setup.job.batching_mode == "throughput" else ""
    why = why or "more ranks per layer would only repeat its KV heads"
    return f"{shape.dp} replicas with {it.setup.share(shape)} of the {it.setup.job.concurrency} users each: {why}"


def _experts(it: _Chosen) -> str:
    shape = it.trial.choice.shape
    return f"whole experts are divided over {shape.tp * shape.dp} ranks instead of slices of each"


def _quantization(it: _Chosen) -> str:
    weights = format_gib(it.estimate.memory.weights.expected)
    return f"the model does not fit as it is; quantized while loading it takes {weights} per GPU"


def _kv_dtype(it: _Chosen) -> str:
    per_token = it.estimate.kv_cache.bytes_per_token
    return f"the workload does not fit with the model's own dtype; {it.setup.hardware.gpu.name} reads fp8 ({per_token:,} bytes per token)"


def _length(it: _Chosen) -> str:
    job, length = it.setup.job, it.estimate.deployment.max_model_len
    if it.trial.question.spec.runner == "pooling" and not job.assumed:
        return "the longest text of a request"
    if not job.assumed:
        return f"{job.prompt_tokens:,} prompt + {job.gen_tokens:,} generated tokens; a longer limit would only invite longer requests"
    if length == it.trial.question.spec.max_model_len:
        return "the model's own maximum, which fits"
    return f"the longest that fits for {it.setup.share(it.trial.choice.shape)} at once, in steps of 1,024"


def _sequences(it: _Chosen) -> str:
    seqs, users = it.estimate.deployment.max_num_seqs, it.setup.share(it.trial.choice.shape)
    held = it.estimate.limits.max_concurrency_at_context
    full = f"the cache holds {held:,} full request{'s' if held != 1 else ''}"
    yours = f"your {users:,} users" if users > 1 else "your one user"
    if seqs == users:
        return f"{yours} and no more, so that no batch grows beyond them"
    if seqs >= held and not it.setup.job.assumed:
        return f"{full}; more at once would push each other out"
    if it.setup.job.batching_mode == "throughput":
        return f"as many as vLLM batches by default; {full}"
    return f"room for more than {yours}; {full}"


def _tokens(it: _Chosen) -> str:
    mode = it.setup.job.batching_mode
    if it.trial.choice.max_num_batched_tokens is None:
        return "what vLLM derives for this model"
    if mode == "latency":
        return "small steps, so that a long prompt does not hold up the tokens of others"
    if mode == "throughput" and it.trial.choice.max_num_batched_tokens > it.trial.choice.length // 64:
        return "large steps keep the GPU busy; prompts of several requests share one"
    return "vLLM's own for this GPU: neither prompts nor tokens wait long"


def _share(it: _Chosen) -> str:
    share = it.estimate.deployment.gpu_memory_utilization
    default = it.setup.base.behaviour.default_utilization
    headroom = format_gib(it.estimate.memory.headroom.expected)
    if share > default:
        return f"more than vLLM's {default:g}, the least with which it fits; leaves {headroom} of it free"
    if share < default:
        held = it.setup.hardware.free_memory_bytes is not None
        why = "since other processes hold memory" if held else "so that CUDA graphs find room beside the cache"
        return f"less than vLLM's {default:g}, {why}; leaves {headroom} of it free"
    return f"vLLM's default; leaves {headroom} of it free"


_REASONS: dict[str, Callable[[_Chosen], str]] = {
    "tensor_parallel_size": _tensor,
    "pipeline_parallel_size": _pipeline,
    "data_parallel_size": _data,
    "enable_expert_parallel": _experts,
    "quantization": _quantization,
    "kv_cache_dtype": _kv_dtype,
    "max_model_len": _length,
    "max_num_seqs": _sequences,
    "max_num_batched_tokens": _tokens,
    "gpu_memory_utilization": _share,
}
