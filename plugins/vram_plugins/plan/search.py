"""The search behind a plan: the first deployment, from least hardware and least change on, that starts and fits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vram.ask import Cell, Variant
from vram.components import BatchDefaults, batch_defaults
from vram.models.plan import BatchingMode
from vram.models.record import evolve
from vram.plugin import plugins
from vram_plugins.plan.candidates import Shape, shapes
from vram_plugins.plan.trials import Choice, Level, Setup, Trial, attempt

#: tokens of a step: vLLM's advice is 2048 for short gaps between tokens, more than 8192 for throughput
#: (its documentation, "Optimization and Tuning"), which most GPUs have by themselves (`engine/arg_utils.py`)
_LATENCY_TOKENS = 2048
_THROUGHPUT_TOKENS = 8192
_FEWEST_SEQUENCES = 16
_FP8 = "fp8"


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
    crowded = False
    for utilization in (*setup.utilizations, *setup.lower_utilizations):
        if utilization not in setup.utilizations and not crowded:
            return None
        for choice in choices(setup, level, count, length, utilization):
            trial = attempt(setup, choice)
            if trial is not None and trial.cell.surely_fits:
                return _lowest_share(setup, trial)
            crowded = crowded or (trial is not None and is_crowded(trial.cell))
        for choice in _vllms_batch(setup, level, count, length, utilization) if crowded else ():
            trial = attempt(setup, choice)
            if trial is not None and trial.cell.surely_fits:
                return _lowest_share(setup, trial)
    return None


def _vllms_batch(setup: Setup, level: Level, count: int, length: int, utilization: float | None) -> Iterator[Choice]:
    """Each shape with the batch that vLLM chooses: what a larger one takes while measuring is room for graphs afterwards."""
    if {"max_num_seqs", "max_num_batched_tokens"} & setup.given.keys():
        return
    for shape in shapes_of(setup, probe_of(setup, level, length), count):
        if setup.share(shape) <= defaults_of(setup).max_num_seqs:
            yield Choice(level=level, shape=shape, length=length, utilization=utilization)


def is_crowded(cell: Cell) -> bool:
    """Whether graphs find no room beside the cache, or may not."""
    return cell.obstacle == "graph_capture" or (cell.starts and cell.certainty == "borderline")


def choices(setup: Setup, level: Level, count: int, length: int, utilization: float | None) -> Iterator[Choice]:
    """Batches and shapes in the order of preference."""
    probe = probe_of(setup, level, length)
    candidates = shapes_of(setup, probe, count)
    for smaller in (False, True):
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


def probe_of(setup: Setup, level: Level, length: int) -> Trial | None:
    """The level on one GPU, fitting or not: what is the same for every shape and batch."""
    return attempt(setup, Choice(level=level, shape=Shape(), length=length))


def shapes_of(setup: Setup, probe: Trial | None, count: int) -> tuple[Shape, ...]:
    return shapes(
        count,
        setup.job.batching_mode,
        experts=probe is not None and probe.question.spec.has_experts,
        concurrency=setup.job.concurrency,
        pinned=setup.pinned,
    )


def batch(setup: Setup, probe: Trial | None, users: int, *, lean: bool) -> tuple[int | None, int | None]:
    """(max_num_seqs, max_num_batched_tokens) for a batching mode; None where the user gave them or vLLM must derive them.

    Latency: no more sequences than users, small steps. Throughput: vLLM's own sequences, large steps. Balanced: room for
    twice the users, vLLM's own steps. `lean` is the least that serves the users.
    """
    mode: BatchingMode = "latency" if lean else setup.job.batching_mode
    if mode == "latency":
        seqs = users
    elif mode == "throughput":
        seqs = max(users, defaults_of(setup).max_num_seqs)
    else:
        seqs = max(_FEWEST_SEQUENCES, 2 * users)
    asked = setup.given.get("max_num_seqs")
    seqs = asked if isinstance(asked, int) else seqs
    return None if "max_num_seqs" in setup.given else seqs, step_tokens(setup, probe, mode, seqs)


def step_tokens(setup: Setup, probe: Trial | None, mode: BatchingMode, seqs: int) -> int | None:
    """max_num_batched_tokens for a batching mode; None where the user gave it or vLLM must derive it."""
    own = defaults_of(setup).max_num_batched_tokens
    tokens = {"latency": _LATENCY_TOKENS, "throughput": max(_THROUGHPUT_TOKENS, own), "balanced": own}[mode]
    tokens = max(tokens, seqs)
    derived = probe is None or not _chooses_tokens(probe, tokens)
    return None if derived or "max_num_batched_tokens" in setup.given else tokens


def steps_of(
    setup: Setup, probe: Trial | None, modes: Iterable[BatchingMode], seqs: int
) -> dict[int | None, BatchingMode]:
    """max_num_batched_tokens of each of the modes, with the mode it is of; where one is larger than what most GPUs have by
    themselves, also that, of the first of them: it keeps times that the larger does not.
    """
    found = dict[int | None, BatchingMode]()
    for mode in modes:
        found.setdefault(step_tokens(setup, probe, mode, seqs), mode)
    if any(tokens is not None and tokens > _THROUGHPUT_TOKENS for tokens in found):
        found.setdefault(max(_THROUGHPUT_TOKENS, seqs), next(iter(found.values())))
    return found


def defaults_of(setup: Setup) -> BatchDefaults:
    gpu = setup.hardware.gpu
    return batch_defaults(
        setup.base.behaviour,
        gpu_memory_bytes=setup.hardware.memory_bytes,
        device_name=gpu.name,
        capability=gpu.compute_capability,
    )


def _chooses_tokens(probe: Trial, tokens: int) -> bool:
    """Whether a step's tokens are free: not where prompts are not chunked, nor below an image that attention sees whole."""
    spec, args = probe.question.spec, probe.question.deployment.args
    v0_engine = probe.question.deployment.v0_engine
    chunked = not v0_engine and spec.chunks_prefill and args.enable_chunked_prefill is not False
    return chunked and tokens >= spec.largest_whole_item


def levels_of(setup: Setup, variants: Iterable[Variant]) -> Iterator[Level]:
    """Each variant with the model's own KV dtype, then with fp8 where the GPU has it; the user's alone where given."""
    given = setup.given.get("kv_cache_dtype")
    for variant in variants:
        if isinstance(given, str):
            yield Level(variant=variant, kv_cache_dtype=given)
            continue
        yield Level(variant=variant, kv_cache_dtype="auto")
        known = plugins().kv_dtypes.get(_FP8)
        if known is not None and setup.hardware.gpu.compute_capability >= known.min_capability:
            yield Level(variant=variant, kv_cache_dtype=_FP8)


def _lowest_share(setup: Setup, trial: Trial) -> Trial:
    """Where more than the default share is needed: the smallest that fits, in steps of 0.01."""
    share = trial.choice.utilization
    if share is None or share <= setup.base.behaviour.default_utilization:
        return trial
    step = round(setup.utilizations[0] or share, 2)
    while (step := round(step + 0.01, 2)) < share:
        lower = attempt(setup, evolve(trial.choice, utilization=step))
        if lower is not None and lower.cell.surely_fits:
            return lower
    return trial
