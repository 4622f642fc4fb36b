"""How fast a deployment is: from a model's work and a GPU's rates to ranges for one replica."""

from __future__ import annotations

from typing import Any

from attrs import evolve, frozen

from vram.advise.assumptions import assumptions_of
from vram.advise.efficiency import THROUGHPUT_SPREAD, TPOT_SPREAD, TTFT_SPREAD, Spread
from vram.advise.machine import Machine, machine_of
from vram.advise.queueing import Capacity, Loop, closed_loop, turning_batch
from vram.advise.roofline import Step
from vram.advise.work import ModelWork, model_work
from vram.api import Model, as_checkpoint, question_of
from vram.build import Request, build_inputs
from vram.errors import InputError, ParallelismError
from vram.estimate.assemble import Parts, Question, compute
from vram.estimate.kv_plan import max_requests
from vram.estimate.weights import Parallelism
from vram.models.deployment import EngineArgs
from vram.models.parameters import Embedding, Tensor
from vram.models.performance import Bound, Performance, Range, StepTime, Workload
from vram.units import gib


def performance(
    model: Model,
    *,
    gpu: str | None = None,
    prompt_tokens: int,
    gen_tokens: int,
    concurrency: int = 1,
    gpu_memory_gib: float | None = None,
    gpus: int | None = None,
    vllm_version: str | None = None,
    profile: str | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    **engine_args: Any,
) -> Performance:
    """Predict time to first token, time per output token and throughput of one replica under a closed loop.

    `concurrency` clients of the replica send prompts of `prompt_tokens` and are answered with `gen_tokens`; the other
    arguments are those of `vram.estimate`. The result is an estimate with a range, no measurement; a deployment whose
    memory does not suffice gets the speed it would have, and says so.

    Raises VramError on bad input, and for a GPU whose bandwidth or rates are not known.
    """
    load = Workload(prompt_tokens=prompt_tokens, gen_tokens=gen_tokens, concurrency=concurrency)
    checkpoint = as_checkpoint(model, revision=revision, trust_remote_code=trust_remote_code)
    if gpus is not None and not {"tensor_parallel_size", "pipeline_parallel_size"} & engine_args.keys():
        engine_args["tensor_parallel_size"] = gpus
    request = Request(
        args=EngineArgs.from_mapping(engine_args),
        gpu=gpu,
        gpu_memory_gib=gpu_memory_gib,
        gpus=gpus,
        concurrency=concurrency,
        vllm_version=vllm_version,
        profile=profile,
    )
    question = question_of(build_inputs(checkpoint, request))
    if question.spec.runner == "pooling":
        raise InputError(name="model", value=question.model_id, problem="generates no tokens; only generation is timed")
    parts, reason = _computed(question)
    found = performance_of(parts, load)
    return found if reason is None else evolve(found, assumptions=(reason, *found.assumptions))


def performance_of(parts: Parts, load: Workload) -> Performance:
    """The same for an estimate whose parts are at hand (`vram.estimate.assemble.compute`): pure, and quick.

    Raises InputError for a GPU whose bandwidth or rates are not known, ParallelismError.
    """
    speed = _speed_of(parts)
    fits = _batches(parts, load)
    loop = speed.loop(load, fits.expected)
    slow = fast = loop
    if load.concurrency > fits.low:
        slow = speed.loop(load, fits.low)
        fast = speed.loop(load, fits.high)
    per_request = load.gen_tokens
    rate = _spread(loop.requests_per_s, slow.requests_per_s, fast.requests_per_s, THROUGHPUT_SPREAD)
    tpots = sorted(each.tpot * 1e3 for each in (slow, loop, fast))
    ttfts = sorted(each.ttft * 1e3 for each in (slow, loop, fast))
    deployment = parts.question.deployment
    return Performance(
        gpu=deployment.gpu.name,
        workload=load,
        ttft_ms=_spread(loop.ttft * 1e3, ttfts[0], ttfts[-1], TTFT_SPREAD),
        tpot_ms=_spread(loop.tpot * 1e3, tpots[0], tpots[-1], TPOT_SPREAD),
        output_tokens_per_s=_times(rate, per_request),
        total_tokens_per_s=_times(rate, load.prompt_tokens + per_request),
        requests_per_s=rate,
        output_tokens_per_s_per_user=_times(rate, per_request / load.concurrency),
        bound=_bound(loop.decode),
        prefill_bound=_bound(loop.prefill),
        batch=loop.batch,
        turning_batch=turning_batch(speed.work, speed.machine, load, deployment.max_num_seqs),
        decode_step=StepTime(
            memory_ms=loop.decode.memory * 1e3,
            compute_ms=loop.decode.compute * 1e3,
            communication_ms=loop.decode.communication * 1e3,
            latency_ms=loop.decode.latency * 1e3,
        ),
        assumptions=assumptions_of(parts, load, loop, fits=fits.expected > 0),
    )


@frozen(kw_only=True, eq=False)
class _Speed:
    """A deployment's work on its machine."""

    work: ModelWork
    machine: Machine
    budget: int
    stages: int
    max_num_seqs: int

    def loop(self, load: Workload, fits: int) -> Loop:
        """The steady state when the cache holds `fits` requests; 0 is taken for a deployment that does not fit at all."""
        batch = min(self.max_num_seqs, fits) if fits > 0 else self.max_num_seqs
        return closed_loop(self.work, self.machine, load, Capacity(batch=batch, budget=self.budget, stages=self.stages))


@frozen(kw_only=True)
class _Batches:
    """Requests that fit the KV cache at once, by the estimate's interval for the cache."""

    low: int
    expected: int
    high: int


def _speed_of(parts: Parts) -> _Speed:
    question = parts.question
    deployment = question.deployment
    args = deployment.args
    parallel = Parallelism.of(
        tp=args.tensor_parallel_size,
        pp=args.pipeline_parallel_size,
        dp=args.data_parallel_size,
        expert_parallel=args.enable_expert_parallel,
    )
    return _Speed(
        work=model_work(parts.model, parallel, deployment.dtype, question.kv_dtype),
        machine=machine_of(
            deployment.gpu,
            ranks=args.tensor_parallel_size,
            replicas=args.data_parallel_size,
            eager=args.enforce_eager,
            offload_bytes=gib(args.cpu_offload_gb),
        ),
        budget=deployment.max_num_batched_tokens,
        stages=args.pipeline_parallel_size,
        max_num_seqs=deployment.max_num_seqs,
    )


def _batches(parts: Parts, load: Workload) -> _Batches:
    """How many requests of the mean length fit: vLLM gives blocks as a request grows, and requests are of all ages."""
    available = parts.overhead.kv_cache_available
    shift = (available.low - available.expected, 0, available.high - available.expected)
    length = max(1, load.prompt_tokens + load.gen_tokens // 2)
    low, expected, high = (
        max_requests(
            parts.cache_ranks,
            tuple(max(0, pool + more) for pool in parts.pools),
            parts.context,
            context_len=length,
        )
        for more in shift
    )
    # one block less than a request needs is no different from no cache at all: it would not start
    return _Batches(low=max(low, min(1, expected)), expected=expected, high=high)


def _computed(question: Question) -> tuple[Parts, str | None]:
    """The estimate's parts; where only a vision or audio tower cannot be divided, those of the language model alone."""
    try:
        return compute(question), None
    except ParallelismError as error:
        spec = question.spec
        language = tuple(placed for placed in spec.placed if isinstance(placed.module, Embedding | Tensor))
        if len(language) == len(spec.placed):
            raise
        bare = evolve(question, spec=evolve(spec, placed=language, encoders=()))
        reason = f"The towers beside the language model are left out, since vLLM could not divide them: {error}"
        return compute(bare), reason


def _bound(step: Step) -> Bound:
    times: dict[Bound, float] = {
        "memory": step.memory,
        "compute": step.compute,
        "communication": step.communication,
    }
    return max(times, key=lambda name: times[name])


def _spread(expected: float, lowest: float, highest: float, spread: Spread) -> Range:
    return Range(low=min(expected, lowest) * spread.low, expected=expected, high=max(expected, highest) * spread.high)


def _times(value: Range, factor: float) -> Range:
    return Range(low=value.low * factor, expected=value.expected * factor, high=value.high * factor)
