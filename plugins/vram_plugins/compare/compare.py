"""`vram.compare`: a matrix of models × GPUs × counts × quantization × KV dtype, best first."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from vram.ask import as_checkpoint, with_graph
from vram.errors import InputError, VramError
from vram.gpus import all_gpus, find_gpu
from vram.models.checkpoint import Checkpoint, Model
from vram.models.comparison import Comparer, Comparison, Progress, Row, Skipped, best_first
from vram.models.deployment import EngineArgs, Policy, checked_concurrency
from vram.models.profile import Gpu
from vram.models.record import evolve
from vram.plugin import Plugins, plugins
from vram.vllm import NEWEST, behaviour, parse_version
from vram_plugins.compare.matrix import Axes, Matrix, check_readable, own_quantization
from vram_plugins.compare.prices import Prices, checked_prices, read_prices

_COUNTS = (1, 2, 4, 8)
_CELLS_PER_SIGN = 1000  # between two signs of progress
_MOST_COUNT = 1024
_MOST_GPUS = 4096
_RENTED = ("data centre", "workstation", "consumer")


def compare(
    models: Model | Sequence[Model],
    *,
    gpus: str | Sequence[str] | None = None,
    counts: Sequence[int] = _COUNTS,
    quantizations: Sequence[str | None] = (None,),
    kv_cache_dtypes: Sequence[str] = ("auto",),
    concurrency: int = 1,
    vllm_version: str | None = None,
    policy: Policy | None = None,
    prices: str | os.PathLike[str] | Mapping[str, float] | None = None,
    trust_remote_code: bool = False,
    revision: str | None = None,
    progress: Progress | None = None,
    **engine_args: Any,
) -> Comparison:
    """Judge every model on every GPU, count, quantization and KV dtype, and sort by what fits with least hardware.

    `gpus` None is every data-centre, workstation and consumer GPU known. `counts` are GPUs per replica, by tensor
    parallelism where the model's heads allow it, else with pipeline ranks. A quantization the checkpoint has not is sized
    online or, where vLLM cannot do it while loading, as its quantizer usually writes it (`Row.hypothetical`). `prices` is a
    file (see `vram_plugins.compare.prices`) or a mapping of GPU names to prices per GPU and hour. Of several models those that cannot
    be read are skipped and named; bundled facts are preferred to the Hub's, so that many models need no requests.

    Raises VramError on bad input.
    """
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
    axes = Axes(
        checkpoints=checkpoints,
        gpus=_gpus(registry, gpus),
        counts=_counts(counts),
        quantizations=tuple(dict.fromkeys(own_quantization(name) for name in quantizations)) or (None,),
        kv_cache_dtypes=tuple(dict.fromkeys(kv_cache_dtypes)) or ("auto",),
        args=EngineArgs.from_mapping(engine_args),
        concurrency=checked_concurrency(concurrency),
        policy=policy or Policy(),
        behaviour=behaviour(parse_version(vllm_version) if vllm_version else NEWEST),
    )
    known_prices = _prices(prices, registry)
    rows = _judged(Matrix(axes, registry), registry, skipped, progress)
    if known_prices:
        rows = [_priced(row, known_prices) for row in rows]
    return Comparison(rows=tuple(sorted(rows, key=best_first)), skipped=tuple(skipped))


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


def _gpus(registry: Plugins, names: str | Sequence[str] | None) -> tuple[Gpu, ...]:
    """The GPUs by name, each once; all that are rented or bought whole where none is named."""
    if names is None:
        return tuple(gpu for gpu in all_gpus(registry.profiles) if gpu.kind in _RENTED)
    listed = (names,) if isinstance(names, str) else tuple(names)
    if not 1 <= len(listed) <= _MOST_GPUS:
        raise InputError(name="gpus", value=len(listed), problem=f"must be from 1 to {_MOST_GPUS} names")
    found = {gpu.name: gpu for gpu in (find_gpu(name, registry.profiles) for name in listed)}
    return tuple(found.values())


def _counts(counts: Sequence[int]) -> tuple[int, ...]:
    good = [n for n in counts if isinstance(n, int) and not isinstance(n, bool) and 1 <= n <= _MOST_COUNT]
    if not good or len(good) != len(counts):
        raise InputError(name="counts", value=list(counts), problem=f"must be whole numbers from 1 to {_MOST_COUNT}")
    return tuple(sorted(set(good)))


def _prices(prices: str | os.PathLike[str] | Mapping[str, float] | None, registry: Plugins) -> Prices:
    if prices is None:
        return {}
    if isinstance(prices, Mapping):
        return checked_prices(prices.items(), registry.profiles)
    return read_prices(prices, registry.profiles)


def _priced(row: Row, prices: Prices) -> Row:
    price = prices.get(row.gpu)
    return row if price is None else evolve(row, price_per_hour=price * row.gpus)


_promised: Comparer = compare  # what type checkers know as vram.compare
