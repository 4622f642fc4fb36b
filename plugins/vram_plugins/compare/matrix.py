"""The cells of a matrix, judged fast: everything that cells share is resolved once.

What a cell adds to its neighbours is a GPU or a parallel size. The model's spec, its bound quantization (`questions`) and
the engine arguments are shared, so that a cell costs one pass of arithmetic (`estimate.cell`).
"""

from __future__ import annotations

from collections.abc import Iterator

from vram.ask import Cell, Question, build_spec, judge_cell, pose
from vram.errors import InputError, ParallelismError, QuantizationError, UnknownNameError
from vram.gpus import hardware_of, profile_for
from vram.models.checkpoint import Checkpoint
from vram.models.comparison import Row
from vram.models.deployment import EngineArgs, Policy
from vram.models.performance import Workload
from vram.models.profile import Gpu
from vram.models.record import evolve, frozen
from vram.models.targets import Targets
from vram.plugin import Plugins
from vram.vllm import Behaviour
from vram_plugins.compare.meeting import against_targets
from vram_plugins.compare.speed import timed

_OWN = ("", "none", "null")
_ALONE = ("partition", "laptop", "embedded")


@frozen(kw_only=True, eq=False)
class Axes:
    """What is compared. `quantizations` None is the checkpoint's own; a method's name is online or hypothetical. `parallel` are the
    tensor and pipeline sizes that were given.
    """

    checkpoints: tuple[Checkpoint, ...]
    gpus: tuple[Gpu, ...]
    counts: tuple[int, ...]
    quantizations: tuple[str | None, ...]
    kv_cache_dtypes: tuple[str, ...]
    args: EngineArgs
    concurrency: int
    policy: Policy
    behaviour: Behaviour
    used_bytes: int | None = None
    load: Workload | None = None
    targets: Targets | None = None
    parallel: tuple[int | None, int | None] = (None, None)

    @property
    def cells(self) -> int:
        """How many cells there are at most."""
        return (
            len(self.checkpoints)
            * len(self.gpus)
            * len(self.counts)
            * len(self.quantizations)
            * len(self.kv_cache_dtypes)
        )


class Matrix:
    """Judges the cells of some axes. Raises UnknownNameError on an unknown KV dtype or method."""

    def __init__(self, axes: Axes, registry: Plugins) -> None:
        self.axes = axes
        self._hardware = {
            gpu.name: hardware_of(gpu, profile_for(gpu, registry.profiles), used_bytes=axes.used_bytes)
            for gpu in axes.gpus
        }
        self._args: dict[tuple[int, int, str | None, str], EngineArgs] = {}
        for name in axes.kv_cache_dtypes:
            if name not in registry.kv_dtypes:
                raise UnknownNameError(kind="KV cache dtype", name=name, known=tuple(registry.kv_dtypes))
        for method in axes.quantizations:
            if method is not None and method not in registry.schemes:
                raise UnknownNameError(kind="quantization method", name=method, known=tuple(registry.schemes))

    def rows(self, checkpoint: Checkpoint) -> Iterator[Row]:
        """Every cell of one model. Raises VramError where the model cannot be read at all."""
        for method in self.axes.quantizations:
            for gpu in self.axes.gpus:
                for kv_name in self.axes.kv_cache_dtypes:
                    for count in self._counts(gpu):
                        yield self._row(checkpoint, method, gpu, kv_name, count)

    def _counts(self, gpu: Gpu) -> tuple[int, ...]:
        """The numbers asked for; of what a machine has one of, only one, where one was asked for, too."""
        return (1,) if gpu.kind in _ALONE and 1 in self.axes.counts else self.axes.counts

    def _row(self, checkpoint: Checkpoint, method: str | None, gpu: Gpu, kv_name: str, count: int) -> Row:
        """One cell; where a model's heads do not divide, more pipeline ranks of fewer GPUs."""
        obstacle = "parallelism"
        for tp in _divisors(count, *self.axes.parallel):
            try:
                question = pose(
                    checkpoint,
                    self._hardware[gpu.name],
                    self._args_for(tp, count // tp, method, kv_name),
                    version=self.axes.behaviour.version,
                    concurrency=1 if self.axes.targets else self.axes.concurrency,  # else a replica takes its share
                    policy=self.axes.policy,
                    suppose=True,
                )
                row = _filled(question, judge_cell(question), count)
                return self._timed(row, question)
            except ParallelismError:
                continue
            except QuantizationError:
                obstacle = "quantization"
                break
            except InputError:
                continue  # more pipeline ranks than layers, a cache that has no such dtype
        return _empty(checkpoint, method, gpu, kv_name, count, self.axes, obstacle)

    def _timed(self, row: Row, question: Question) -> Row:
        """A row that fits with its speed, and against the targets where there are any."""
        load, targets = self.axes.load, self.axes.targets
        if not row.fits or load is None:
            return row
        return timed(row, question, load) if targets is None else against_targets(row, question, load, targets)

    def _args_for(self, tp: int, pp: int, method: str | None, kv_name: str) -> EngineArgs:
        key = (tp, pp, method, kv_name)
        if key not in self._args:
            self._args[key] = evolve(
                self.axes.args,
                tensor_parallel_size=tp,
                pipeline_parallel_size=pp,
                quantization=method,
                kv_cache_dtype=kv_name,
            )
        return self._args[key]


def check_readable(checkpoint: Checkpoint, axes: Axes, registry: Plugins) -> None:
    """Raises VramError where a model cannot be compared at all: an architecture nobody knows, a broken config."""
    build_spec(registry, checkpoint, axes.gpus[0].compute_capability, axes.behaviour.version, axes.args)


def own_quantization(name: str | None) -> str | None:
    """The method asked for, None for "none": the checkpoint as it is."""
    return None if name is None or name.lower() in _OWN else name.lower()


def _divisors(count: int, tensor: int | None, pipeline: int | None) -> Iterator[int]:
    """Tensor-parallel sizes for so many GPUs, the largest first; but for sizes that were given."""
    sizes = (tp for tp in range(count, 0, -1) if count % tp == 0)
    return (tp for tp in sizes if tensor in (None, tp) and pipeline in (None, count // tp))


def _filled(question: Question, cell: Cell, count: int) -> Row:
    deployment, quantization = question.deployment, question.quantization
    stored = bool(question.checkpoint.quantization)
    return Row(
        model=question.checkpoint.id,
        gpu=deployment.gpu.name,
        gpu_kind=deployment.gpu.kind,
        gpus=count,
        tensor_parallel_size=deployment.tp,
        pipeline_parallel_size=deployment.pp,
        quantization=quantization.name if quantization else None,
        online=quantization is not None and not question.hypothetical and not stored,
        hypothetical=question.hypothetical,
        kv_cache_dtype=deployment.args.kv_cache_dtype,
        max_model_len=cell.max_model_len,
        concurrency=deployment.concurrency,
        starts=cell.starts,
        fits=cell.fits,
        obstacle=cell.obstacle,
        weights_bytes=cell.weights_bytes,
        headroom_bytes=cell.headroom_bytes,
        tokens=cell.tokens,
        max_concurrency=cell.max_concurrency,
        most_requests=cell.most_requests,
        certainty=cell.certainty,
        gpu_memory_bytes=deployment.gpu_memory_bytes,
        total_memory_bytes=deployment.gpu_memory_bytes * count,
    )


def _empty(
    checkpoint: Checkpoint, method: str | None, gpu: Gpu, kv_name: str, count: int, axes: Axes, obstacle: str
) -> Row:
    """A cell nothing can be reckoned for."""
    return Row(
        model=checkpoint.id,
        gpu=gpu.name,
        gpu_kind=gpu.kind,
        gpus=count,
        tensor_parallel_size=count,
        pipeline_parallel_size=1,
        quantization=method,
        online=False,
        hypothetical=False,
        kv_cache_dtype=kv_name,
        max_model_len=axes.args.max_model_len or 0,
        concurrency=axes.concurrency,
        starts=False,
        fits=False,
        obstacle=obstacle,
        weights_bytes=0,
        headroom_bytes=0,
        tokens=0,
        max_concurrency=0.0,
        most_requests=0,
        certainty="unlikely",
        gpu_memory_bytes=gpu.memory_bytes,
        total_memory_bytes=gpu.memory_bytes * count,
    )
