"""A deployment as the speed model sees it: one rank's work, the machine it runs on, and how many requests run at once."""

from __future__ import annotations

from vram.advise.counting import model_work
from vram.advise.efficiency import factors_of
from vram.advise.machine import Machine, machine_of
from vram.advise.queueing import Capacity, Loop, closed_loop
from vram.advise.traffic import run_of
from vram.advise.work import ModelWork
from vram.estimate.cache.plan import mean_requests
from vram.estimate.parts import Parts
from vram.models.deployment import Deployment
from vram.models.performance import Workload
from vram.models.record import frozen
from vram.units import gib


@frozen(kw_only=True, eq=False)
class Speed:
    """A deployment's work on its machine: `budget` tokens a step, `stages` of a pipeline."""

    work: ModelWork
    machine: Machine
    budget: int
    stages: int
    max_num_seqs: int

    def loop(self, load: Workload, fits: float) -> Loop:
        """What requests see when the cache holds `fits` of them; 0 is taken for a deployment that does not fit at all."""
        served = closed_loop if load.arrival == "closed" else run_of
        return served(self.work, self.machine, load, self._capacity(fits))

    def most(self, load: Workload, fits: float) -> float:
        """Requests per second with as many at once as fit."""
        capacity = self._capacity(fits)
        batch = max(1, round(capacity.batch))
        full = Workload(
            prompt_tokens=load.prompt_tokens,
            gen_tokens=load.gen_tokens,
            concurrency=batch,
            prefix_hit_rate=load.prefix_hit_rate,
        )
        return closed_loop(self.work, self.machine, full, capacity).requests_per_s

    def limit(self, fits: float) -> float:
        """How many requests run at once at most, on average."""
        return min(self.max_num_seqs, fits) if fits > 0 else self.max_num_seqs

    def _capacity(self, fits: float) -> Capacity:
        return Capacity(batch=self.limit(fits), budget=self.budget, stages=self.stages)


@frozen(kw_only=True)
class Batches:
    """Requests that fit the KV cache at once, by the estimate's interval for the cache."""

    low: float
    expected: float
    high: float


def speed_of(parts: Parts) -> Speed:
    """The work and the machine of an estimate. Raises InputError for a GPU of unknown speed, ParallelismError."""
    question = parts.question
    deployment = question.deployment
    args = deployment.args
    return Speed(
        work=model_work(parts.model, parts.parallel, deployment.dtype, question.kv_dtype),
        machine=machine_of(
            deployment.gpu,
            ranks=args.tensor_parallel_size,
            replicas=args.data_parallel_size,
            eager=args.enforce_eager,
            offload_bytes=gib(args.cpu_offload_gb),
            overlapped=_schedules_ahead(deployment),
            factors=factors_of(question.profile),
        ),
        budget=deployment.max_num_batched_tokens,
        stages=args.pipeline_parallel_size,
        max_num_seqs=deployment.max_num_seqs,
    )


def batches_of(parts: Parts, load: Workload) -> Batches:
    """How many requests of the mean length fit: vLLM gives blocks as a request grows, and requests are of all ages.

    What is expected of the cache is careful where its interval is wide, as memory asks for: speed takes the middle then.
    """
    available = parts.overhead.kv_cache_available
    middle = max(available.expected, (available.low + available.high) // 2)
    length = max(1, load.prompt_tokens + load.gen_tokens // 2)
    low, careful, likely, high = (
        mean_requests(
            parts.cache_ranks,
            tuple(max(0, pool + size - available.expected) for pool in parts.pools),
            parts.context,
            context_len=length,
        )
        for size in (available.low, available.expected, middle, available.high)
    )
    if careful < 1:
        return Batches(low=0.0, expected=0.0, high=high)
    # one block less than a request needs is no different from no cache at all: it would not start
    return Batches(low=max(low, 1.0), expected=likely, high=high)


def _schedules_ahead(deployment: Deployment) -> bool:
    """Whether the next step is prepared while one runs: by default since 0.14.0, not with a pipeline (`VllmConfig`)."""
    args = deployment.args
    if args.async_scheduling is not None:
        return args.async_scheduling
    return deployment.vllm_version >= (0, 14) and args.pipeline_parallel_size == 1
