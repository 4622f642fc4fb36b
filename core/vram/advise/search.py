"""The search behind a plan: the first deployment, from least hardware and least change on, that starts and fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import floor

from attrs import evolve, frozen

from vram.advise.candidates import Pinned, Shape, has_experts, shapes
from vram.advise.questions import Hardware, Questions, Stored
from vram.advise.variants import Variant
from vram.build import Request
from vram.errors import InputError, QuantizationError
from vram.estimate.assemble import Question
from vram.estimate.cell import Cell, judge_cell
from vram.models.deployment import EngineArgs, Policy
from vram.models.parameters import ceil_div
from vram.models.plan import BatchingMode, Job
from vram.vllm.defaults import BatchDefaults, batch_defaults

#: highest share recommended: beyond it a desktop, ECC or a second context lacks memory
HIGHEST_UTILIZATION = 0.95
#: tokens of a step: vLLM's advice is 2048 for short gaps between tokens, more than 8192 for throughput (docs, "Optimization and Tuning")
_LATENCY_TOKENS = 2048
_THROUGHPUT_TOKENS = 8192
_FEWEST_SEQUENCES = 16
_FP8 = "fp8"


@frozen(kw_only=True)
class Level:
    """How much is changed: the variant of the weights, and the KV cache dtype."""

    variant: Variant
    kv_cache_dtype: str


@frozen(kw_only=True)
class Choice:
    """Everything a trial decides. None leaves it to vLLM or to what the user gave."""

    level: Level
    shape: Shape
    length: int
    max_num_seqs: int | None = None
    max_num_batched_tokens: int | None = None
    utilization: float | None = None


@frozen(kw_only=True, eq=False)
class Trial:
    """A choice that was estimated."""

    choice: Choice
    request: Request
    stored: Stored
    question: Question
    cell: Cell


@frozen(kw_only=True, eq=False)
class Setup:
    """What stays the same over all trials. `given` are the user's engine arguments, which no trial changes."""

    questions: Questions
    hardware: Hardware
    job: Job
    policy: Policy
    gpu_memory_gib: float | None
    given: Mapping[str, object]

    def share(self, shape: Shape) -> int:
        """Users of one replica."""
        return ceil_div(self.job.concurrency, shape.dp)

    @property
    def pinned(self) -> Pinned:
        """Parallel sizes the user decided."""
        return Pinned(
            tp=_given_count(self.given, "tensor_parallel_size"),
            pp=_given_count(self.given, "pipeline_parallel_size"),
            dp=_given_count(self.given, "data_parallel_size"),
            ep=bool(self.given["enable_expert_parallel"]) if "enable_expert_parallel" in self.given else None,
        )

    @property
    def utilizations(self) -> tuple[float | None, ...]:
        """Shares to try: the version's default, then the highest; none where the user gave one."""
        if "gpu_memory_utilization" in self.given:
            return (None,)
        highest = HIGHEST_UTILIZATION
        if self.hardware.free_memory_bytes is not None:
            highest = min(highest, floor(self.hardware.free_memory_bytes / self.hardware.gpu.memory_bytes * 100) / 100)
        return tuple(dict.fromkeys((min(self.questions.behaviour.default_utilization, highest), highest)))


def attempt(setup: Setup, choice: Choice) -> Trial | None:
    """Estimate a choice; None where vLLM could not be started with it at all."""
    shape, level = choice.shape, choice.level
    chosen = {
        "tensor_parallel_size": shape.tp,
        "pipeline_parallel_size": shape.pp,
        "data_parallel_size": shape.dp,
        "enable_expert_parallel": shape.ep,
        "quantization": level.variant.quantization,
        "kv_cache_dtype": level.kv_cache_dtype,
        "max_model_len": choice.length,
        "max_num_seqs": choice.max_num_seqs,
        "max_num_batched_tokens": choice.max_num_batched_tokens,
        "gpu_memory_utilization": choice.utilization,
    }
    given = {
        **{k: v for k, v in chosen.items() if v is not None},
        **{k: v for k, v in setup.given.items() if k not in _OURS},
    }
    try:
        request = Request(
            args=EngineArgs.from_mapping(given),
            gpu_memory_gib=setup.gpu_memory_gib,
            concurrency=setup.share(shape),
            policy=setup.policy,
        )
        capability = setup.hardware.gpu.compute_capability
        stored = setup.questions.stored(level.variant.checkpoint, capability, request.args)
        question = setup.questions.ask(level.variant.checkpoint, stored, setup.hardware, request)
        cell = judge_cell(question)
    except (InputError, QuantizationError):
        return None  # heads that do not divide, more stages than layers, a cache that has no such dtype
    return Trial(choice=choice, request=request, stored=stored, question=question, cell=cell)


#: engine arguments of `Choice` that already carry what the user gave
_OURS = frozenset(
    {
        "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "enable_expert_parallel",
        "quantization", "kv_cache_dtype", "max_model_len",
    }
)  # fmt: skip


def first_fit(setup: Setup, levels: Iterable[Level], counts: Iterable[int], length: int) -> Trial | None:
    """The first that fits: least change first, then fewest GPUs, then the share of the GPU, then batch and shape."""
    listed = tuple(counts)
    for level in levels:
        for count in listed:
            found = fit_on(setup, level, count, length)
            if found is not None:
                return found
    return None


def fit_on(setup: Setup, level: Level, count: int, length: int) -> Trial | None:
    """The best shape of exactly `count` GPUs that fits, at the lowest share of the GPU that does."""
    for utilization in setup.utilizations:
        for choice in choices(setup, level, count, length, utilization):
            trial = attempt(setup, choice)
            if trial is not None and trial.cell.fits:
                return _lowest_share(setup, trial)
    return None


def choices(setup: Setup, level: Level, count: int, length: int, utilization: float | None) -> Iterator[Choice]:
    """Batches and shapes in the order of preference."""
    probe = attempt(setup, Choice(level=level, shape=Shape(), length=length))
    spec = probe.stored.spec if probe else None
    candidates = shapes(
        count,
        setup.job.batching_mode,
        experts=spec is not None and has_experts(spec),
        concurrency=setup.job.concurrency,
        nvlink=setup.hardware.gpu.link == "nvlink",
        pinned=setup.pinned,
    )
    lean = [False, True] if setup.job.batching_mode == "throughput" else [False]
    for smaller in lean:
        for shape in candidates:
            seqs, tokens = batch(setup, probe, setup.share(shape), lean=smaller)
            yield Choice(
                level=level,
                shape=shape,
                length=length,
                max_num_seqs=seqs,
                max_num_batched_tokens=tokens,
                utilization=utilization,
            )


def batch(setup: Setup, probe: Trial | None, users: int, *, lean: bool) -> tuple[int | None, int | None]:
    """(max_num_seqs, max_num_batched_tokens) for a batching mode; None where the user gave them or vLLM must derive them.

    Latency: no more sequences than users, small steps. Throughput: vLLM's own sequences, large steps. Balanced: room for
    twice the users, vLLM's own steps. `lean` is the least that serves the users.
    """
    mode: BatchingMode = "latency" if lean else setup.job.batching_mode
    defaults = _defaults(setup)
    if mode == "latency":
        seqs, tokens = users, _LATENCY_TOKENS
    elif mode == "throughput":
        seqs = max(users, defaults.max_num_seqs)
        tokens = max(_THROUGHPUT_TOKENS, defaults.max_num_batched_tokens)
    else:
        seqs, tokens = max(_FEWEST_SEQUENCES, 2 * users), defaults.max_num_batched_tokens
    asked = setup.given.get("max_num_seqs")
    seqs = asked if isinstance(asked, int) else seqs
    tokens = max(tokens, seqs)
    derived = probe is None or not _chooses_tokens(probe, tokens)
    return (
        None if "max_num_seqs" in setup.given else seqs,
        None if derived or "max_num_batched_tokens" in setup.given else tokens,
    )


def _defaults(setup: Setup) -> BatchDefaults:
    gpu = setup.hardware.gpu
    return batch_defaults(
        setup.questions.behaviour,
        gpu_memory_bytes=gpu.memory_bytes,
        device_name=gpu.name,
        capability=gpu.compute_capability,
    )


def _chooses_tokens(probe: Trial, tokens: int) -> bool:
    """Whether a step's tokens are free: not where prompts are not chunked, nor below an image that attention sees whole."""
    spec, args = probe.stored.spec, probe.request.args
    chunked = probe.question.behaviour.v1 and spec.chunks_prefill and args.enable_chunked_prefill is not False
    return chunked and tokens >= spec.largest_whole_item


def levels_of(setup: Setup, variants: Iterable[Variant]) -> Iterator[Level]:
    """Each variant with the model's own KV dtype, then with fp8 where the GPU has it; the user's alone where given."""
    given = setup.given.get("kv_cache_dtype")
    for variant in variants:
        if isinstance(given, str):
            yield Level(variant=variant, kv_cache_dtype=given)
            continue
        yield Level(variant=variant, kv_cache_dtype="auto")
        known = setup.questions.registry.kv_dtypes.get(_FP8)
        if known is not None and setup.hardware.gpu.compute_capability >= known.min_capability:
            yield Level(variant=variant, kv_cache_dtype=_FP8)


def _lowest_share(setup: Setup, trial: Trial) -> Trial:
    """Where more than the default share is needed: the smallest that fits, in steps of 0.01."""
    share = trial.choice.utilization
    if share is None or share <= setup.questions.behaviour.default_utilization:
        return trial
    step = round(setup.utilizations[0] or share, 2)
    while (step := round(step + 0.01, 2)) < share:
        lower = attempt(setup, evolve(trial.choice, utilization=step))
        if lower is not None and lower.cell.fits:
            return lower
    return trial


def _given_count(given: Mapping[str, object], name: str) -> int | None:
    value = given.get(name)
    return value if isinstance(value, int) else None
