"""Bytes of parameters and buffers per pipeline rank.

`parameter_bytes` counts what vLLM creates, `weights_bytes` what it holds after loading and repacking. Cost grows with
the distinct shapes of a model: a module is resolved once per run of equal layers and per format.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal

from vram.dtypes import dtype_bytes
from vram.errors import ConfigError, InputError
from vram.models.cache import AttentionCache
from vram.models.parameters import Embedding, Experts, Linear, LocalLinear, Module, Placed, Tensor
from vram.models.record import evolve, frozen
from vram.models.scheme import Format, ModuleRef, Quantization, StoredTensor
from vram.models.spec import Draft, ModelSpec
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
        """From vLLM's arguments."""
        shared = tp * dp
        if expert_parallel and shared > 1:
            return cls(tp=tp, pp=pp, moe_tp=1, ep=shared)
        return cls(tp=tp, pp=pp, moe_tp=shared, ep=1)


@frozen(kw_only=True)
class RankWeights:
    """One pipeline rank's bytes, its decoder layers, and how many parameters (elements) it holds unsharded."""

    pipeline_rank: int
    parameter_bytes: int
    weights_bytes: int
    layers: range


@frozen(kw_only=True, eq=False)
class ResolvedModule:
    """A module, how it is stored, and where: layer indices, or a placement outside the layers."""

    module: Module
    format: Format | None
    indices: tuple[int, ...] = ()
    placed: Placed | None = None


@frozen(kw_only=True, eq=False)
class ResolvedModel:
    """Every distinct (module, format) of a model under one quantization. Compared by identity."""

    spec: ModelSpec
    modules: tuple[ResolvedModule, ...]


@lru_cache(maxsize=256)
def resolve(spec: ModelSpec, quantization: Quantization | None) -> ResolvedModel:
    """Ask the scheme for every module of every layer, and group layers by the answer."""
    found: list[ResolvedModule] = []
    for run in spec.runs:
        for module in run.layer.modules:
            for form, indices in _formats(module, quantization, run.prefix, run.indices):
                found.append(ResolvedModule(module=module, format=form, indices=indices))
            if quantization is not None and module.name.endswith("attn.kv_scales"):
                heads = next((c.num_kv_heads for c in run.layer.caches if isinstance(c, AttentionCache)), 0)
                for scale in quantization.attention_tensors(heads):
                    found.append(ResolvedModule(module=scale, format=None, indices=run.indices))
    for placed in spec.placed:
        form = _format_of(placed.module, quantization, placed.prefix)
        found.append(ResolvedModule(module=placed.module, format=form, placed=placed))
    if spec.draft is not None:
        found.extend(_resolved_draft(spec.draft, quantization if spec.draft.target_quantization else None))
    return ResolvedModel(spec=spec, modules=tuple(found))


def _resolved_draft(draft: Draft, quantization: Quantization | None) -> Iterator[ResolvedModule]:
    """A draft's modules; its layers all sit on the last pipeline rank, whatever their number."""
    for run in draft.runs:
        for module in run.layer.modules:
            for form, indices in _formats(module, quantization, run.prefix, run.indices):
                times = 1 if isinstance(module, Tensor) and module.shared else len(indices)
                several = evolve(module, count=module.count * times)
                yield ResolvedModule(module=several, format=form, placed=Placed(module=several, stage="last"))
    for placed in draft.placed:
        yield ResolvedModule(
            module=placed.module, format=_format_of(placed.module, quantization, placed.prefix), placed=placed
        )


def _formats(
    module: Module, quantization: Quantization | None, prefix: str, indices: tuple[int, ...]
) -> list[tuple[Format | None, tuple[int, ...]]]:
    if quantization is None or not _asks_scheme(module, quantization):
        return [(None, indices)]
    by_format: dict[Format | None, list[int]] = {}
    for index in indices:
        form = _format_of(module, quantization, f"{prefix}.{index}.")
        by_format.setdefault(form, []).append(index)
    return [(form, tuple(at)) for form, at in by_format.items()]


def _asks_scheme(module: Module, quantization: Quantization) -> bool:
    if isinstance(module, Embedding):
        return module.lm_head or quantization.embeddings
    return isinstance(module, Linear | Experts) and module.quantizable


def _format_of(module: Module, quantization: Quantization | None, prefix: str) -> Format | None:
    if quantization is None or isinstance(module, Tensor) or not _asks_scheme(module, quantization):
        return None
    parts = tuple(prefix + source for source in module.sources) or (prefix + module.name,)
    return quantization.format_for(ModuleRef(name=prefix + module.name, parts=parts, kind=_kind(module)))


def _kind(module: Module) -> Literal["linear", "experts", "lm_head", "embedding"]:
    if isinstance(module, Embedding):
        return "lm_head" if module.lm_head else "embedding"
    return "experts" if isinstance(module, Experts) else "linear"


@lru_cache(maxsize=1024)
def rank_weights(model: ResolvedModel, parallel: Parallelism, dtype: str) -> tuple[RankWeights, ...]:
    """Bytes on each pipeline rank, of its most loaded tensor-parallel rank.

    `dtype` is the engine's (activation) dtype. Raises ParallelismError when shapes do not divide, InputError when
    there are more pipeline ranks than layers.
    """
    spec = model.spec
    stages = pipeline_layers(spec.num_layers, parallel.pp)
    totals = [[0, 0] for _ in stages]
    shared: set[tuple[str, int]] = set()
    for resolved in model.modules:
        created, loaded = module_bytes(resolved.module, resolved.format, parallel, dtype)
        for rank, layers in enumerate(stages):
            count = module_count(resolved, rank, layers, len(stages))
            if count and isinstance(resolved.module, Tensor) and resolved.module.shared:
                key = (resolved.module.shared, rank)
                count = 0 if key in shared else 1
                shared.add(key)
            totals[rank][0] += created * count
            totals[rank][1] += loaded * count
    return tuple(
        RankWeights(pipeline_rank=rank, parameter_bytes=created, weights_bytes=loaded, layers=stages[rank])
        for rank, (created, loaded) in enumerate(totals)
    )


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


@lru_cache(maxsize=256)
def parameter_count(spec: ModelSpec) -> int:
    """Parameters of the whole model, unsharded and unpadded; buffers are not counted."""
    if spec.parameters is not None:
        return spec.parameters
    total = 0
    for run in spec.runs:
        total += len(run.indices) * sum(_elements(module) for module in run.layer.modules)
    return total + sum(_elements(placed.module) for placed in spec.placed)


def _elements(module: Module) -> int:
    if isinstance(module, Linear | Tensor) and module.presence != "always":
        return 0
    if isinstance(module, Tensor):
        return 0 if module.buffer else module.local_elements(1) * module.count
    if isinstance(module, Embedding):
        return module.rows * (module.columns + module.bias) * module.count
    if isinstance(module, Experts):
        ups = 2 if module.gated else 1
        weights = module.num_experts * module.hidden_size * module.intermediate_size * (ups + 1)
        bias = module.num_experts * (ups * module.intermediate_size + module.hidden_size) if module.bias else 0
        return (weights + bias) * module.count
    outputs = sum(part.size for part in module.outputs)
    return (outputs * module.inputs + module.bias_elements(1)) * module.count
