"""How fast a deployment is: from a model's work and a GPU's rates to ranges for one replica."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from vram.advise.assumptions import assumptions_of
from vram.advise.efficiency import THROUGHPUT_SPREAD, TPOT_SPREAD, TTFT_SPREAD, Spread
from vram.advise.queueing import Loop, turning_batch
from vram.advise.roofline import Step
from vram.advise.speed import batches_of, speed_of
from vram.ask.asking import ask
from vram.errors import InputError, ParallelismError
from vram.estimate.parts import Parts, compute
from vram.estimate.question import Question
from vram.models.checkpoint import Model
from vram.models.parameters import Embedding, Tensor
from vram.models.performance import RUN, Bound, Performance, Range, StepTime, Workload
from vram.models.record import evolve

if TYPE_CHECKING:
    from vram.models.engine_arguments import EngineArguments


def performance(
    model: Model,
    *,
    gpu: str | None = None,
    prompt_tokens: int,
    gen_tokens: int,
    concurrency: int = 1,
    burst: bool = False,
    request_rate: float | None = None,
    requests: int | None = None,
    prefix_hit_rate: float = 0.0,
    gpu_memory_gib: float | None = None,
    gpus: int | None = None,
    vllm_version: str | None = None,
    profile: str | None = None,
    used_gib: float | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    **engine_args: Unpack[EngineArguments],
) -> Performance:
    """Predict time to first token, time per output token and throughput of one replica.

    Requests have `prompt_tokens` and are answered with `gen_tokens`. They come from `concurrency` clients, each of which
    sends the next when the last is answered; with `burst` from as many, once and all together; or by themselves,
    `request_rate` of them per second on average (Poisson), `requests` in all (200 where it is not said). Of a prompt's
    tokens the prefix cache has the share `prefix_hit_rate`. The other
    arguments are those of `vram.estimate`. The result is an estimate with a range, no measurement; a deployment whose
    memory does not suffice gets the speed it would have, and says so.

    Raises VramError on bad input, and for a GPU whose bandwidth or rates are not known.
    """
    load = Workload(
        prompt_tokens=prompt_tokens,
        gen_tokens=gen_tokens,
        concurrency=concurrency,
        burst=burst,
        request_rate=request_rate,
        requests=RUN if requests is None else requests,
        prefix_hit_rate=prefix_hit_rate,
    )
    question = ask(
        model,
        gpu=gpu,
        gpu_memory_gib=gpu_memory_gib,
        gpus=gpus,
        concurrency=concurrency,
        vllm_version=vllm_version,
        profile=profile,
        used_gib=used_gib,
        trust_remote_code=trust_remote_code,
        revision=revision,
        **engine_args,
    )
    if question.spec.runner == "pooling":
        raise InputError(
            name="model", value=question.checkpoint.id, problem="generates no tokens; only generation is timed"
        )
    parts, reason = language_parts(question)
    found = performance_of(parts, load)
    assumed = (*question.assumed, *((reason,) if reason else ()))
    return evolve(found, assumptions=(*assumed, *found.assumptions)) if assumed else found


def performance_of(parts: Parts, load: Workload) -> Performance:
    """The same for an estimate whose parts are at hand (`vram.estimate.parts.compute`): pure, and quick.

    Raises InputError for a GPU whose bandwidth or rates are not known, ParallelismError.
    """
    speed = speed_of(parts)
    fits = batches_of(parts, load)
    loop = speed.loop(load, fits.expected)
    slow = fast = loop
    if (loop.batch if load.arrival == "poisson" else load.concurrency) > fits.low:
        slow = speed.loop(load, fits.low)
        fast = speed.loop(load, fits.high)
    per_request = load.gen_tokens
    rate = _spread(loop.requests_per_s, slow.requests_per_s, fast.requests_per_s, THROUGHPUT_SPREAD)
    tried = (loop, slow, fast)
    ttft, tpot = _times_of(tried, "ttft", TTFT_SPREAD), _times_of(tried, "tpot", TPOT_SPREAD)
    users = load.concurrency if load.arrival != "poisson" else max(1.0, loop.requests_per_s * _life(loop, load))
    deployment = parts.question.deployment
    return Performance(
        gpu=deployment.gpu.name,
        workload=load,
        ttft_ms=ttft,
        tpot_ms=tpot,
        output_tokens_per_s=_times(rate, per_request),
        total_tokens_per_s=_times(rate, load.prompt_tokens + per_request),
        requests_per_s=rate,
        output_tokens_per_s_per_user=_times(rate, per_request / users),
        ttft_p95_ms=_times_of(tried, "ttft_p95", TTFT_SPREAD),
        tpot_p95_ms=_times_of(tried, "tpot_p95", TPOT_SPREAD),
        capacity_requests_per_s=speed.most(load, fits.expected),
        bound=_bound(loop.decode),
        prefill_bound=_bound(loop.prefill),
        batch=max(1, round(loop.batch)),
        turning_batch=turning_batch(speed.work, speed.machine, load, deployment.max_num_seqs),
        decode_step=StepTime(
            memory_ms=loop.decode.memory * 1e3,
            compute_ms=loop.decode.compute * 1e3,
            communication_ms=loop.decode.communication * 1e3,
            latency_ms=loop.decode.latency * 1e3,
        ),
        assumptions=assumptions_of(parts, load, loop, limit=speed.limit(fits.expected), fits=fits.expected > 0),
    )


def language_parts(question: Question) -> tuple[Parts, str | None]:
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


def _times_of(tried: tuple[Loop, ...], name: str, spread: Spread) -> Range:
    """Milliseconds of what is expected (the first), as low and as high as the others."""
    found = [getattr(each, name) * 1e3 for each in tried]
    return _spread(found[0], min(found), max(found), spread)


def _life(loop: Loop, load: Workload) -> float:
    return loop.ttft + loop.tpot * (load.gen_tokens - 1)


def _times(value: Range, factor: float) -> Range:
    return Range(low=value.low * factor, expected=value.expected * factor, high=value.high * factor)
