"""`vram.compare`: a matrix of models × GPUs × counts × quantization × KV dtype, best first."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Unpack

from vram.ask import as_checkpoint, check_types, with_graph
from vram.errors import InputError, VramError
from vram.models.checkpoint import Checkpoint, Model
from vram.models.comparison import Comparer, Comparison, Progress, Row, Skipped
from vram.models.deployment import EngineArgs, Policy, checked_concurrency
from vram.models.performance import Workload
from vram.models.plan import checked_tokens
from vram.models.profile import Gpu
from vram.models.targets import Targets
from vram.plugin import Plugins, plugins
from vram.units import GIB, gib
from vram.vllm import NEWEST, assumed_of, behaviour, parse_version
from vram_plugins.compare.choose import Wanted, chosen_gpus
from vram_plugins.compare.market import market
from vram_plugins.compare.matrix import Axes, Matrix, check_readable, own_quantization
from vram_plugins.compare.order import ordered
from vram_plugins.compare.prices import Prices, listed
from vram_plugins.compare.speed import priced
from vram_plugins.targets.tokens import length_of, tokens_within

if TYPE_CHECKING:
    from vram.models.engine_arguments import EngineArguments

_COUNTS = (1, 2, 4, 8)
_CELLS_PER_SIGN = 1000  # between two signs of progress
_MOST_COUNT = 1024


def compare(
    models: Model | Sequence[Model],
    *,
    gpus: str | Sequence[str] | None = None,
    counts: Sequence[int] | None = None,
    quantizations: Sequence[str | None] = (None,),
    kv_cache_dtypes: Sequence[str] = ("auto",),
    concurrency: int = 1,
    vllm_version: str | None = None,
    policy: Policy | None = None,
    prices: Prices = None,
    prompt_tokens: int | None = None,
    gen_tokens: int | None = None,
    sort: str = "best",
    kinds: Sequence[str] | None = None,
    clouds: Sequence[str] | None = None,
    min_memory_gib: float | None = None,
    max_memory_gib: float | None = None,
    in_stock: str | os.PathLike[str] | Sequence[str] | None = None,
    used_gib: float | None = None,
    ttft_ms: float | None = None,
    tpot_ms: float | None = None,
    requests_per_second: float | None = None,
    percentile: int = 50,
    meets: bool = False,
    trust_remote_code: bool = False,
    revision: str | None = None,
    progress: Progress | None = None,
    **engine_args: Unpack[EngineArguments],
) -> Comparison:
    """Judge every model on every GPU, count, quantization and KV dtype, and sort by what does the job with least hardware.

    `gpus` None is every data-centre, workstation and consumer GPU known; `kinds` ("datacenter", "workstation", "consumer", "edge"),
    `clouds` ("aws", "google", "azure", "runpod" ...), memory and `in_stock` (names, or a file of them) narrow it: `min_memory_gib` is
    the number on the box (80 takes a GPU that CUDA reports as 79 GiB, any from nine tenths of the number on), `max_memory_gib` the
    most that CUDA reports (`Gpu.memory_bytes`). `counts` are
    GPUs per replica (None: 1, 2, 4 and 8), by tensor parallelism where the model's heads allow it, else with pipeline ranks; a
    `tensor_parallel_size` or `pipeline_parallel_size` that is given stays, and without `counts` is their number. So does a
    `quantization` or `kv_cache_dtype` where there is no list of them. A quantization the
    checkpoint has not is sized online or, where vLLM cannot do it while loading, as its quantizer usually writes it
    (`Row.hypothetical`).

    `prices` are what `vram.price_list` reads, or a list of its. `prompt_tokens` and `gen_tokens` of each of `concurrency` users are
    what speed is predicted for; without a `max_model_len` they are it, too. Of one model every row that fits is timed, of several
    only where they are given. `sort`: "best" (cheapest, or least, of what is neither rare nor slower than people read), "price",
    "value" (tokens for money), "speed", "first-token" or "memory".

    With `ttft_ms`, `tpot_ms` or `requests_per_second` each row has as many replicas as keep them for `percentile` (50 or 95) per cent of
    requests, at the unfavourable ends of the intervals of speed, all users shared out over them; `meets` leaves the other rows out.

    Of several models those that cannot be read are skipped and named; bundled facts are preferred to the Hub's, so that many
    models need no requests. Raises VramError on bad input.
    """
    check_types(
        gpu_names=gpus,
        counts=counts,
        quantizations=quantizations,
        kv_cache_dtypes=kv_cache_dtypes,
        kinds=kinds,
        clouds=clouds,
    )
    check_types(
        policy=policy,
        vllm_version=vllm_version,
        prices=prices,
        min_memory_gib=min_memory_gib,
        max_memory_gib=max_memory_gib,
    )
    check_types(used_gib=used_gib, trust_remote_code=trust_remote_code, revision=revision)
    registry = plugins()
    several = not isinstance(models, str | os.PathLike | Checkpoint)
    named: Sequence[Model] = tuple(models) if several else (models,)  # type: ignore[arg-type,assignment]
    if not named:
        raise InputError(name="models", value=None, problem="name at least one model")
    skipped: list[Skipped] = []
    checkpoints = _opened(
        named,
        skipped,
        lambda one: with_graph(registry, as_checkpoint(one, revision=revision), trust_remote_code),
        bundled=revision is None,
    )
    users, length = checked_concurrency(concurrency), engine_args.get("max_model_len")
    load = _load(prompt_tokens, gen_tokens, users, length if isinstance(length, int) and length > 0 else None)
    if length is None and (prompt_tokens or gen_tokens):
        engine_args["max_model_len"] = load.prompt_tokens + load.gen_tokens
    wanted = Wanted(
        names=gpus, kinds=kinds, clouds=clouds, least_gib=min_memory_gib, most_gib=max_memory_gib, stock=in_stock
    )
    targets = Targets(ttft_ms=ttft_ms, tpot_ms=tpot_ms, requests_per_second=requests_per_second, percentile=percentile)
    if meets and not targets.named:
        raise InputError(name="meets", value=None, problem="needs a target: ttft_ms, tpot_ms or requests_per_second")
    args = EngineArgs.from_mapping(engine_args, beside=compare.__kwdefaults__)
    tp, pp = engine_args.get("tensor_parallel_size"), engine_args.get("pipeline_parallel_size")
    axes = Axes(
        checkpoints=checkpoints,
        gpus=_with_room(chosen_gpus(registry, wanted), used_gib),
        counts=_counts(counts, tp, pp),
        parallel=(tp, pp),
        quantizations=_of_both("quantization", quantizations, (None,), args.quantization, own_quantization),
        kv_cache_dtypes=_of_both("kv_cache_dtype", kv_cache_dtypes, ("auto",), args.kv_cache_dtype, str),
        args=args,
        concurrency=users,
        used_bytes=None if used_gib is None else gib(used_gib),
        load=load if len(checkpoints) == 1 or prompt_tokens or gen_tokens or targets.named else None,
        targets=targets if targets.named else None,
        policy=policy or Policy(),
        behaviour=behaviour(parse_version(vllm_version) if vllm_version else NEWEST),
    )
    known, rented = listed(prices), tuple(market().cloud_named(name) for name in clouds or ())
    ordered((), sort)  # a misspelt order is known before an hour's work
    rows = [priced(row, known, rented) for row in _judged(Matrix(axes, registry), registry, skipped, progress)]
    return Comparison(
        rows=ordered([row for row in rows if row.meets or not meets], sort),
        skipped=tuple(skipped),
        workload=axes.load,
        targets=axes.targets,
        assumed=assumed_of(vllm_version),
    )


def _judged(matrix: Matrix, registry: Plugins, skipped: list[Skipped], progress: Progress | None) -> list[Row]:
    """All rows, model by model, so that what a model's cells share stays at hand."""
    axes = matrix.axes
    rows: list[Row] = []
    each = axes.cells // max(1, len(axes.checkpoints))
    for done, checkpoint in enumerate(axes.checkpoints):
        try:
            check_readable(checkpoint, axes, registry)
            for row in matrix.rows(checkpoint):
                rows.append(row)
                if progress is not None and len(rows) % _CELLS_PER_SIGN == 0:
                    progress(len(rows), axes.cells)
        except VramError as error:
            if len(axes.checkpoints) + len(skipped) == 1:
                raise
            skipped.append(Skipped(model=checkpoint.id, problem=str(error)))
        if progress is not None:
            progress((done + 1) * each, axes.cells)
    return rows


def _opened(
    named: Sequence[Model], skipped: list[Skipped], read: Callable[[Model], Checkpoint], *, bundled: bool
) -> tuple[Checkpoint, ...]:
    """The models, each once; of several, those nobody finds are skipped."""
    found: dict[object, Checkpoint] = {}
    for model in named:
        try:
            known = _bundled(model) if len(named) > 1 and bundled else None
            checkpoint = known or read(model)
        except VramError as error:
            if len(named) == 1:
                raise
            skipped.append(Skipped(model=str(model), problem=str(error)))
            continue
        found.setdefault(checkpoint.id if checkpoint.manual is None else id(checkpoint), checkpoint)
    return tuple(found.values())


def _bundled(model: Model) -> Checkpoint | None:
    """The catalog's facts of a Hub id that is no path here."""
    from vram.checkpoint import find

    if not isinstance(model, str) or os.path.exists(model):
        return None
    return find(model)


def _with_room(gpus: tuple[Gpu, ...], used_gib: float | None) -> tuple[Gpu, ...]:
    """Those that have more memory than others hold. Raises InputError where none has."""
    if used_gib is None:
        return gpus
    left = tuple(gpu for gpu in gpus if 0 <= used_gib * GIB < gpu.memory_bytes)
    if not left:
        raise InputError(name="used_gib", value=used_gib, problem="must be from 0 to less than the GPU's memory")
    return left


def _counts(counts: Sequence[int] | None, tp: int | None, pp: int | None) -> tuple[int, ...]:
    """Those asked for that the parallel sizes given divide; without any asked for, what the sizes make. Raises InputError."""
    ranks = (tp or 1) * (pp or 1)
    if counts is None:
        return (ranks,) if tp or pp else _COUNTS
    good = [n for n in counts if isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= _MOST_COUNT]
    if not good or len(good) != len(counts):
        raise InputError(name="counts", value=list(counts), problem=f"must be whole numbers from 1 to {_MOST_COUNT}")
    fitting = [n for n in good if (n == ranks if tp and pp else n % ranks == 0)]
    if not fitting:
        raise InputError(
            name="counts", value=list(counts), problem=f"none is made of the parallel sizes given ({ranks} GPUs)"
        )
    return tuple(sorted(set(fitting)))


def _of_both(
    name: str, several: Sequence[Any], usual: tuple[Any, ...], one: str | None, own: Callable[[Any], Any]
) -> tuple[Any, ...]:
    """What is compared: several, or the one that is given as an engine argument. Raises InputError where both are."""
    asked = tuple(dict.fromkeys(own(each) for each in several)) or usual
    if one in usual:
        return asked
    if asked != usual:
        raise InputError(name=name, value=one, problem=f"is given beside {name}s; say it in one of them")
    return (own(one),)


def _load(prompt: int | None, gen: int | None, users: int, length: int | None) -> Workload:
    """The workload that is timed: what is not said is short enough for the context. Raises InputError."""
    given = checked_tokens("prompt_tokens", prompt), checked_tokens("gen_tokens", gen)
    question, answer = tokens_within(*given, length or length_of(*given))
    return Workload(prompt_tokens=question, gen_tokens=answer, concurrency=users)


_promised: Comparer = compare  # what type checkers know as vram.compare
