"""Bytes of parameters and buffers per pipeline rank.

`parameter_bytes` counts what vLLM creates, `weights_bytes` what it holds after loading and repacking.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache

from vram.dtypes import dtype_bytes
from vram.errors import ConfigError, InputError, ParallelismError
from vram.estimate.weights.resolved import ResolvedModel, ResolvedModule
from vram.models.deployment import EngineArgs
from vram.models.parameters import Embedding, Experts, Linear, LocalLinear, Module, Placed, Tensor
from vram.models.record import frozen
from vram.models.scheme import Format, StoredTensor
from vram.quantization.unquantized import UNQUANTIZED
from vram.vllm.allocator import block_bytes

#: int32 per global expert: the map to local experts under expert parallelism (vLLM 0.32.0 `expert_map_manager.py`)
_EXPERT_MAP_BYTES = 4


@frozen(kw_only=True)
class Parallelism:
    """Ranks per engine: tensor (`tp`), pipeline (`pp`); experts over `moe_tp` widths or `ep` shares.

    Source: vLLM 0.33.0 `fused_moe/config.py:FusedMoEParallelConfig.make`: without expert parallelism the experts'
    width is divided over tp·dp, with it whole experts are.
    """

    tp: int = 1
    pp: int = 1
    moe_tp: int = 1
    ep: int = 1

    @classmethod
    def of(cls, *, tp: int, pp: int, dp: int, expert_parallel: bool) -> Parallelism:
        """From vLLM's sizes."""
        shared = tp * dp
        if expert_parallel and shared > 1:
            return cls(tp=tp, pp=pp, moe_tp=1, ep=shared)
        return cls(tp=tp, pp=pp, moe_tp=shared, ep=1)

    @classmethod
    def of_args(cls, args: EngineArgs) -> Parallelism:
        """From vLLM's arguments."""
        return cls.of(
            tp=args.tensor_parallel_size,
            pp=args.pipeline_parallel_size,
            dp=args.data_parallel_size * args.prefill_context_parallel_size,  # `flatten_tp_across_dp_and_pcp`
            expert_parallel=args.enable_expert_parallel,
        )


@frozen(kw_only=True)
class RankWeights:
    """One pipeline rank's bytes, its decoder layers, and how many parameters (elements) it holds unsharded."""

    pipeline_rank: int
    parameter_bytes: int
    weights_bytes: int
    layers: range


@lru_cache(maxsize=1024)
def rank_weights(model: ResolvedModel, parallel: Parallelism, dtype: str) -> tuple[RankWeights, ...]:
    """Bytes on each pipeline rank, of its most loaded tensor-parallel rank.

    `dtype` is the engine's (activation) dtype. Raises ParallelismError when shapes do not divide, InputError when
    there are more pipeline ranks than layers.
    """
    spec = model.spec
    stages = pipeline_layers(spec.num_layers, parallel.pp)
    totals = [[0, 0] for _ in stages]
    for resolved, counts in held_modules(model, stages):
        try:
            created, loaded = module_bytes(resolved.module, resolved.format, parallel, dtype)
        except ParallelismError as error:
            raise _of_tower(error, resolved) if spec.encoders else error from None
        for total, count in zip(totals, counts, strict=True):
            total[0] += created * count
            total[1] += loaded * count
    return tuple(
        RankWeights(pipeline_rank=rank, parameter_bytes=created, weights_bytes=loaded, layers=stages[rank])
        for rank, (created, loaded) in enumerate(totals)
    )


def _of_tower(error: ParallelismError, resolved: ResolvedModule) -> ParallelismError:
    """The same error with what helps where only a quantized tower does not divide."""
    module = resolved.module
    if resolved.placed is None or resolved.format is None or not isinstance(module, Linear):
        return error
    step = (
        "Published checkpoints name their tower among what stays unquantized (modules_to_not_convert), which this config does not: "
        "name it there, serve the tower whole on each GPU (--mm-encoder-tp-mode data) or not at all (--language-model-only)."
    )
    return ParallelismError(**{**error.data, "what": f"{error.data['what']} of {module.name}", "next": step})


def held_modules(model: ResolvedModel, stages: tuple[range, ...]) -> Iterator[tuple[ResolvedModule, list[int]]]:
    """Each module, and how many instances the pipeline ranks with these layers hold; of what its layers share, one per rank."""
    shared: set[tuple[str, int]] = set()
    for resolved in model.modules:
        counts = [module_count(resolved, rank, layers, len(stages)) for rank, layers in enumerate(stages)]
        if isinstance(resolved.module, Tensor) and resolved.module.shared:
            for rank, count in enumerate(counts):
                key = (resolved.module.shared, rank)
                counts[rank] = int(count > 0 and key not in shared)
                if count:
                    shared.add(key)
        yield resolved, counts


def module_count(resolved: ResolvedModule, rank: int, layers: range, ranks: int) -> int:
    """How many instances of a module pipeline rank `rank` of `ranks`, with these layers, holds."""
    if resolved.placed is not None:
        return int(_held(resolved.placed, rank, ranks))
    return count_between(resolved.indices, layers)


def count_between(indices: tuple[int, ...], layers: range) -> int:
    """How many of the ascending `indices` are among consecutive `layers`."""
    return bisect_left(indices, layers.stop) - bisect_left(indices, layers.start)


def _held(placed: Placed, rank: int, ranks: int) -> bool:
    first, last = rank == 0, rank == ranks - 1
    return {"first": first, "last": last, "ends": first or last, "every": True, "apart": last and not first}[
        placed.stage
    ]


def pipeline_layers(num_layers: int, pp: int) -> tuple[range, ...]:
    """The layers of each pipeline rank; left-over layers go to the ranks before the last, backwards.

    Source: vLLM 0.32.0 `distributed/utils.py:get_pp_indices`. Raises InputError.
    """
    if pp > max(num_layers, 1):
        raise InputError(
            name="pipeline_parallel_size", value=pp, problem=f"is more than the model's {num_layers} layers"
        )
    counts = [num_layers // pp] * pp
    for back in range(num_layers % pp):
        counts[-2 - back] += 1
    stages, start = [], 0
    for count in counts:
        stages.append(range(start, start + count))
        start += count
    return tuple(stages)


def module_bytes(module: Module, form: Format | None, parallel: Parallelism, dtype: str) -> tuple[int, int]:
    """(created, loaded) bytes of one instance of a module on one rank. Raises ParallelismError, ConfigError."""
    created, loaded = _stored_bytes(module, form, parallel, dtype)
    if created < 0 or loaded < 0:  # sizes of a config that contradict each other
        raise ConfigError(path="config.json", field=module.name, problem="would have a negative size")
    if isinstance(module, Experts) and parallel.ep > 1:
        created, loaded = (size + _EXPERT_MAP_BYTES * module.num_experts * module.count for size in (created, loaded))
    if isinstance(module, Linear | Tensor) and module.presence != "always":
        return (created, 0) if module.presence == "registered" else (0, loaded)
    if isinstance(module, Linear) and module.dequantized_copy and form is not None:
        shape = module.local(parallel.tp, dtype)
        loaded += block_bytes(shape.rows * shape.inputs * dtype_bytes(dtype)) * module.count
    return created, loaded


def exchange_buffer_bytes(model: ResolvedModel, parallel: Parallelism, dtype: str) -> int:
    """The buffer through which EPLB exchanges experts: those of one layer (0.33.0 `distributed/eplb/eplb_state.py:add_model`)."""
    mixtures = (one for one in model.modules if isinstance(one.module, Experts))
    return max((module_bytes(one.module, one.format, parallel, dtype)[1] for one in mixtures), default=0)


def _stored_bytes(module: Module, form: Format | None, parallel: Parallelism, dtype: str) -> tuple[int, int]:
    form = form or UNQUANTIZED
    if isinstance(module, Tensor):
        size = module.local_elements(parallel.tp) * dtype_bytes(module.dtype or dtype)
        return size * module.count, block_bytes(size) * module.count
    if isinstance(module, Embedding):
        return _totals(
            form.linear(_table(module, parallel.tp, dtype)), _table_bias(module, parallel.tp, dtype), module.count
        )
    if isinstance(module, Experts):
        return _totals(form.experts(module.local(parallel.moe_tp, parallel.ep, dtype)), 0, module.count)
    shape = module.local(parallel.tp, dtype)
    return _totals(form.linear(shape), module.bias_elements(parallel.tp) * dtype_bytes(shape.dtype), module.count)


def _totals(tensors: tuple[StoredTensor, ...], bias: int, count: int) -> tuple[int, int]:
    """Bytes created, and bytes of the allocator's blocks for what stays, of `count` modules with `bias` bytes besides."""
    created = sum(tensor.created_bytes for tensor in tensors) + bias
    loaded = sum(block_bytes(tensor.loaded_bytes) for tensor in tensors) + block_bytes(bias)
    return created * count, loaded * count


def _table_bias(module: Embedding, tp: int, dtype: str) -> int:
    return module.local_rows(tp) * dtype_bytes(module.dtype or dtype) if module.bias else 0


def _table(module: Embedding, tp: int, dtype: str) -> LocalLinear:
    """An embedding table as the matrix it is: (rows of this rank, columns)."""
    return LocalLinear(
        inputs=module.columns,
        outputs=(module.local_rows(tp),),
        full_inputs=module.columns,
        full_outputs=(module.rows,),
        parallel="column",
        tp=tp,
        dtype=module.dtype or dtype,
    )
