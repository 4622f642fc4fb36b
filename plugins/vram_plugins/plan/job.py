"""The work a plan is for: requests of some length by so many users, and the targets of speed where there are any."""

from __future__ import annotations

from collections.abc import Mapping

from vram.ask import Question, redeploy
from vram.errors import InputError
from vram.gpus import all_gpus
from vram.models.deployment import EngineArgs
from vram.models.plan import Job, checked_mode, checked_tokens
from vram.models.record import frozen
from vram.models.targets import Lengths, Targets
from vram.plugin import plugins
from vram_plugins.compare.market import market
from vram_plugins.compare.prices import PriceList, Prices, listed
from vram_plugins.plan.candidates import GPUS_PER_MACHINE
from vram_plugins.plan.meeting import Aims
from vram_plugins.plan.trials import Setup
from vram_plugins.readers.gpu_counts import Kind
from vram_plugins.targets.lengths import Source, lengths_alike, read_lengths
from vram_plugins.targets.tokens import length_of, tokens_within

MOST_GPUS = 1024
_ASSUMED_CONTEXT = 8192
_LEAST_RATED = 20 * 2**30  # bytes: below it cards of data centres serve next to nothing today


@frozen(kw_only=True)
class TimedJob:
    """Targets, the lengths of a file (None: all alike, as the job says), prices, and whether no length was said; `lighter`: lighter
    forms of the model are looked at though the model as it is will do, `own_only`: not even where it will not.
    """

    targets: Targets
    lengths: Lengths | None
    prices: PriceList
    assumed: bool
    lighter: bool = True
    own_only: bool = False

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The GPUs to choose among where none is named: those with a price, else what clouds rent. Raises InputError."""
        if self.prices.prices:
            return tuple(Kind(gpu=name, count=None) for name in dict.fromkeys(one.gpu for one in self.prices.prices))
        rented = {one.gpu for one in market().instances} | {
            name for names in market().single.values() for name in names
        }
        return tuple(
            Kind(gpu=gpu.name, count=None)
            for gpu in all_gpus(plugins().profiles)
            if gpu.kind == "data centre" and gpu.name in rented and gpu.memory_bytes > _LEAST_RATED and gpu.bandwidth
        )

    def aims(self, setup: Setup, most_gpus: int, sizes: tuple[int, ...]) -> Aims:
        """What the search aims at on one kind of machine."""
        job = setup.job
        return Aims(
            targets=self.targets,
            lengths=self.lengths or lengths_alike(job.prompt_tokens, max(1, job.gen_tokens)),
            users=job.concurrency,
            most_gpus=most_gpus,
            sizes=sizes,
            prices=self.prices,
            lighter=self.lighter,
        )


def most_gpus(gpus: int | None, args: EngineArgs) -> int:
    """The most GPUs the plan may take. Raises InputError."""
    asked = args.tensor_parallel_size * args.pipeline_parallel_size * args.data_parallel_size
    if gpus is None:
        return max(GPUS_PER_MACHINE, asked)
    if not isinstance(gpus, int) or isinstance(gpus, bool) or not 1 <= gpus <= MOST_GPUS:
        raise InputError(name="gpus", value=gpus, problem=f"must be a whole number from 1 to {MOST_GPUS}")
    if asked > gpus:
        raise InputError(name="gpus", value=gpus, problem=f"is less than the {asked} GPUs of the parallel sizes given")
    return gpus


def timed_job(
    targets: Targets, *, lengths: Source | None, prices: Prices, tokens: tuple[int | None, int | None]
) -> TimedJob | None:
    """The targets with what belongs to them; None where there are none. Raises InputError."""
    if not targets.named and targets.goal == "cost" and lengths is None and prices is None:
        return None
    if lengths is not None and tokens != (None, None):
        raise InputError(name="lengths", value=None, problem="gives the tokens of prompts and answers; leave those out")
    return TimedJob(
        targets=targets,
        prices=listed(prices),
        lengths=None if lengths is None else read_lengths(lengths),
        assumed=lengths is None and tokens == (None, None),
    )


def job_of(
    given: Mapping[str, object],
    prompt: int | None,
    gen: int | None,
    concurrency: int,
    mode: str,
    base: Question,
    timed: TimedJob | None,
) -> Job:
    """The work asked for; a pooling model reads and generates nothing. Raises InputError."""
    spec = base.spec
    prompt, gen = checked_tokens("prompt_tokens", prompt), checked_tokens("gen_tokens", gen)
    asked, pools = given.get("max_model_len"), spec.runner == "pooling"
    if pools and gen:
        raise InputError(name="gen_tokens", value=gen, problem="is of generation, and this model pools")
    many = None if timed is None else timed.lengths
    assumed = timed is None and not isinstance(asked, int) and prompt is None and gen is None
    if isinstance(asked, int):
        context = asked
    elif many is not None:
        context = many.longest
    elif assumed:
        context = _assumed_context(base)
    else:
        context = length_of(prompt, 0 if pools else gen)
    if many is not None:
        if many.longest > context:
            problem = f"is less than the {many.longest:,} tokens of the longest request of {many.source}"
            raise InputError(name="max_model_len", value=context, problem=problem)
        prompt, gen = many.prompt_tokens, many.gen_tokens
    prompt_tokens, gen_tokens = tokens_within(prompt, 0 if pools else gen, context)
    return Job(
        prompt_tokens=prompt_tokens,
        gen_tokens=gen_tokens,
        concurrency=concurrency,
        batching_mode=checked_mode(mode),
        context_len=context,
        assumed=assumed,
    )


def _assumed_context(base: Question) -> int:
    """What requests are taken for; no longer than a step that was given, where that has to take a whole prompt."""
    context, step = min(base.spec.max_model_len, _ASSUMED_CONTEXT), base.deployment.args.max_num_batched_tokens
    if step is None or step >= context:
        return context
    try:
        redeploy(base, max_model_len=context)
    except InputError:
        return step
    return context
