"""Plans for random targets, held against whole questions: each planned deployment re-asked gives its targets, one size smaller does not.

    python -m tests.benchmarks.targets [CASES] [SEED]

The second half is reckoned without the planner: every division of the model over fewer GPUs, with every step size and share it would
try; its share of the rate, and every number of users from one on.
"""

from __future__ import annotations

import math
import random
import sys
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

import vram
from vram.advise import performance_of
from vram.ask import ask, judge_cell
from vram.checkpoint import list_catalog
from vram.components import compute
from vram.errors import VramError
from vram.gpus import all_gpus
from vram.models.performance import Workload
from vram.models.plan import Plan
from vram.models.record import frozen
from vram.plugin import plugins

SEED = 20
_MOST_GPUS = 1024
_STEPS = (2048, 8192)
_SHARES = (None, 0.97)


@frozen(kw_only=True)
class Outcome:
    """What became of one case: "" or what is wrong, whether a plan was found, and the seconds it took (of a clock, of a processor)."""

    wrong: str
    planned: bool
    seconds: float
    cpu_seconds: float


def cases(count: int, seed: int = SEED) -> Iterator[dict[str, Any]]:
    """Arguments of `vram.plan`, drawn from the catalog, the GPUs that are rented, and targets of every size."""
    draw = random.Random(seed)
    models = sorted(entry.id for entry in list_catalog())
    gpus = sorted(
        gpu.name for gpu in all_gpus(plugins().profiles) if gpu.kind in ("data centre", "workstation") and gpu.bandwidth
    )
    while count:
        asked: dict[str, Any] = {
            "model": draw.choice(models),
            "gpu": draw.choice(gpus),
            "prompt_tokens": round(_between(draw, 50, 12_000)),
            "gen_tokens": round(_between(draw, 16, 1500)),
            "percentile": draw.choice((50, 95)),
        }
        wanted = [name for name in ("ttft_ms", "tpot_ms", "rate", "users") if draw.random() < 0.7]
        asked |= {"ttft_ms": round(_between(draw, 300, 20_000))} if "ttft_ms" in wanted else {}
        asked |= {"tpot_ms": round(_between(draw, 15, 200), 1)} if "tpot_ms" in wanted else {}
        asked |= {"requests_per_second": round(_between(draw, 0.05, 20), 2)} if "rate" in wanted else {}
        asked |= {"concurrency": round(_between(draw, 1, 300))} if "users" in wanted else {}
        if {"ttft_ms", "tpot_ms", "requests_per_second"} & asked.keys() and _generates(asked["model"]):
            count -= 1
            yield asked


def outcome(asked: dict[str, Any]) -> Outcome:
    """Plan, ask again, and look for something smaller."""
    clock, cpu = time.perf_counter(), time.process_time()
    try:
        plan = vram.plan(**asked)
    except VramError as error:
        plan, wrong = None, "" if str(error) else "an error without words"
    seconds, cpu_seconds = time.perf_counter() - clock, time.process_time() - cpu
    if plan is not None:
        wrong = "" if plan.feasible else _found_smaller(plan, asked, _MOST_GPUS + 1, form={})
        if plan.feasible:
            wrong = _not_given(plan, asked) or _smaller_does(plan, asked)
    return Outcome(wrong=wrong, planned=plan is not None and plan.feasible, seconds=seconds, cpu_seconds=cpu_seconds)


def _not_given(plan: Plan, asked: dict[str, Any]) -> str:
    """What the planned deployment, asked as anybody would, does not give."""
    found = plan.recommendation
    assert found is not None
    service = found.service
    assert service is not None
    common = {"gpu": found.gpu, "vllm_version": found.estimate.deployment.vllm_version, **found.engine_args}
    replicas, late = service.replicas, asked["percentile"] == 95
    work = {"prompt_tokens": asked["prompt_tokens"], "gen_tokens": asked["gen_tokens"], **common}
    estimate = vram.estimate(found.model, concurrency=found.estimate.deployment.concurrency, **common)
    answers = [vram.performance(found.model, concurrency=math.ceil(asked.get("concurrency", 1) / replicas), **work)]
    surely = math.inf
    if "requests_per_second" in asked:
        open_loop = vram.performance(found.model, request_rate=asked["requests_per_second"] / replicas, **work)
        done = open_loop.requests_per_s
        surely = open_loop.capacity_requests_per_s * done.low / done.expected * replicas
        answers = [open_loop] if asked.get("concurrency", 1) == 1 else [*answers, open_loop]
    sizes = (found.engine_args.get(name, 1) for name in ("tensor_parallel_size", "pipeline_parallel_size"))
    given = {
        "does not start or fit": estimate.verdict.fits and estimate.verdict.certainty == "likely",
        "first token too late": all(
            (one.ttft_p95_ms if late else one.ttft_ms).high <= asked.get("ttft_ms", math.inf) for one in answers
        ),
        "tokens too slow": all(
            (one.tpot_p95_ms if late else one.tpot_ms).high <= asked.get("tpot_ms", math.inf) for one in answers
        ),
        "too few requests": surely >= asked.get("requests_per_second", 0) * (1 - 1e-6),
        "too few users": service.most_users >= asked.get("concurrency", 1),
        "other GPUs than it says": found.gpus == service.servers * math.prod(sizes),  # type: ignore[arg-type]
    }
    return ", ".join(words for words, good in given.items() if not good)


def _smaller_does(plan: Plan, asked: dict[str, Any]) -> str:
    """A deployment of the same model on fewer GPUs that keeps the targets; "" where there is none."""
    found = plan.recommendation
    assert found is not None
    form = {"model": found.model}
    form |= {name: found.engine_args[name] for name in ("quantization", "kv_cache_dtype") if name in found.engine_args}  # type: ignore[misc]
    return _found_smaller(plan, asked, found.gpus, form)


def _found_smaller(plan: Plan, asked: dict[str, Any], below: int, form: dict[str, Any]) -> str:
    version = plan.recommendation.estimate.deployment.vllm_version if plan.recommendation else _version_of(asked["gpu"])
    for gpus in (1, 2, 4, 8):
        servers = (below - 1) // gpus
        if servers < 1:
            continue
        for question in _questions(asked, gpus, version, form):
            if _does(question, asked, servers):
                args = question.deployment.args
                return f"{servers} × tp {args.tensor_parallel_size} pp {args.pipeline_parallel_size} does"
    return ""


def _questions(asked: dict[str, Any], gpus: int, version: str, form: dict[str, Any]) -> Iterator[Any]:
    """Every division, step and share that surely starts, with the most sequences that do."""
    common = {"model": asked["model"], "gpu": asked["gpu"], "vllm_version": version, **form}
    length = asked["prompt_tokens"] + asked["gen_tokens"]
    for tp in (size for size in (1, 2, 4, 8) if gpus % size == 0):
        for tokens in _STEPS:
            for share in _SHARES:
                for sequences in (None, 64, 16):
                    args = {"tensor_parallel_size": tp, "pipeline_parallel_size": gpus // tp, "max_model_len": length}
                    args |= {"gpu_memory_utilization": share} if share else {}
                    args |= {"max_num_seqs": sequences} if sequences else {}
                    args |= {"max_num_batched_tokens": max(tokens, sequences or 0)}
                    try:
                        question = ask(**common, **args)
                        cell = judge_cell(question)
                    except VramError:
                        break
                    if cell.surely_fits:
                        yield question
                        break


def _does(question: Any, asked: dict[str, Any], servers: int) -> bool:
    """Whether so many of a replica keep the targets: each its share of the rate, and each its share of the users, and any fewer."""
    parts, late = compute(question), asked["percentile"] == 95

    def keeps(**load: Any) -> bool:
        work = Workload(prompt_tokens=asked["prompt_tokens"], gen_tokens=asked["gen_tokens"], **load)
        speed = performance_of(parts, work)
        ttft, tpot = (speed.ttft_p95_ms, speed.tpot_p95_ms) if late else (speed.ttft_ms, speed.tpot_ms)
        surely = speed.capacity_requests_per_s * speed.requests_per_s.low / speed.requests_per_s.expected
        return (
            ttft.high <= asked.get("ttft_ms", math.inf)
            and tpot.high <= asked.get("tpot_ms", math.inf)
            and surely >= load.get("request_rate", 0.0)
        )

    users = math.ceil(asked.get("concurrency", 1) / servers)
    if users > min(judge_cell(question).most_requests, question.deployment.max_num_seqs) or not keeps(concurrency=1):
        return False
    rate = asked.get("requests_per_second")
    if rate is not None and not keeps(request_rate=rate / servers):
        return False
    return all(keeps(concurrency=count) for count in _numbers(users))


def _numbers(most: int) -> Iterator[int]:
    users = 1
    while users <= most:
        yield users
        users += 1 if users < 64 else users // 32
    yield most


def _between(draw: random.Random, low: float, high: float) -> float:
    return math.exp(draw.uniform(math.log(low), math.log(high)))


@cache
def _generates(model: str) -> bool:
    return ask(model, gpu="H100").spec.runner != "pooling"


@cache
def _version_of(gpu: str) -> str:
    from vram.gpus import find_gpu
    from vram.vllm import format_version, newest_for

    return format_version(newest_for(find_gpu(gpu, plugins().profiles).compute_capability))


def main(count: int, seed: int) -> int:
    """Print what is wrong, and the distribution of the seconds a plan took; the number of wrong ones."""
    results = []
    for number, asked in enumerate(cases(count, seed), 1):
        result = outcome(asked)
        results.append(result)
        if result.wrong:
            print(f"case {number}: {result.wrong}: {asked}", flush=True)
    wrong, planned = sum(bool(one.wrong) for one in results), sum(one.planned for one in results)
    print(f"{len(results)} targets, {planned} plans, {len(results) - planned} refusals, {wrong} wrong")
    for name in ("seconds", "cpu_seconds"):
        taken = sorted(getattr(one, name) for one in results)
        at = {share: taken[min(len(taken) - 1, int(share * len(taken)))] for share in (0.5, 0.9, 0.99)}
        told = ", ".join(f"p{share * 100:g} {value:.2f}" for share, value in at.items())
        print(f"planning, {name}: {told}, most {taken[-1]:.2f}")
    return wrong


if __name__ == "__main__":
    words = [int(word) for word in sys.argv[1:]]
    sys.exit(bool(main(words[0] if words else 200, words[1] if len(words) > 1 else SEED)))
