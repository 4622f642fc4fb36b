"""A model's work counted from its modules.

Everything is summed over all layers, so that a pipeline's stages are counted together: a token has to pass through each of
them.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache

from vram.advise.launches import all_reduces, launched
from vram.advise.work import Arithmetic, Attention, ExpertMatrices, Matrices, ModelWork
from vram.dtypes import dtype_bytes
from vram.estimate.weights.ranks import Parallelism, module_bytes
from vram.estimate.weights.resolved import ResolvedModel, ResolvedModule
from vram.models.cache import (
    AttentionCache,
    CacheLayer,
    CompressedCache,
    IndexerCache,
    LatentCache,
    StateCache,
    WindowedLatentCache,
)
from vram.models.kv_dtype import KVCacheDtype
from vram.models.parameters import Embedding, Experts, Linear, Tensor
from vram.models.scheme import Format, StoredTensor
from vram.models.spec import Layer, ModelSpec

#: tokens a sparse latent layer attends to (`index_topk` of DeepSeek-V3.2 and GLM-5)
_SPARSE_TOKENS = 2048


@lru_cache(maxsize=1024)
def model_work(model: ResolvedModel, parallel: Parallelism, dtype: str, kv_dtype: KVCacheDtype) -> ModelWork:
    """Count a model's work. Raises ParallelismError when its shapes do not divide."""
    spec = model.spec
    sums: dict[Arithmetic, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    experts: list[ExpertMatrices] = []
    for part in model.modules:
        if part.placed is not None or not part.indices:
            continue
        if isinstance(part.module, Experts):
            experts.append(_experts(part, part.module, parallel, dtype))
        elif isinstance(part.module, Linear) and part.module.presence != "registered":
            _add_linear(sums, part, part.module, parallel, dtype)
    if not sums and not experts:
        _add_lump(sums, model, parallel, dtype)
    return ModelWork(
        matrices=tuple(
            Matrices(arithmetic=kind, bytes=size, elements=elements, flops=flops)
            for kind, (size, elements, flops) in sums.items()
        ),
        experts=tuple(experts),
        attention=_attention(spec, parallel, dtype, kv_dtype),
        head=_head(model, parallel, dtype),
        vocabulary=spec.vocab_size,
        activation_bytes=_activation_bytes(model, parallel, dtype),
        kernels=launched(model, _quantizing(model, parallel, dtype)),
        all_reduces=sum(all_reduces(run.layer) * len(run.indices) for run in spec.runs) + 1 if parallel.tp > 1 else 0,
        reduced_width=spec.hidden_size * dtype_bytes(dtype),
        layers=spec.num_layers,
    )


def _add_linear(
    sums: dict[Arithmetic, list[float]], part: ResolvedModule, linear: Linear, parallel: Parallelism, dtype: str
) -> None:
    shape = linear.local(parallel.tp, dtype)
    elements = float(shape.rows * shape.inputs * linear.count * len(part.indices))
    kind = _arithmetic(part.format, part.format.linear(shape) if part.format is not None else ())
    total = sums[kind]
    total[0] += module_bytes(linear, part.format, parallel, dtype)[1] * len(part.indices)
    total[1] += elements
    total[2] += 2 * elements


def _add_lump(sums: dict[Arithmetic, list[float]], model: ResolvedModel, parallel: Parallelism, dtype: str) -> None:
    """A model given by hand: its weights are one tensor per layer, its operations 2 per parameter and token."""
    size = 0.0
    for part in model.modules:
        if isinstance(part.module, Tensor) and part.indices:
            size += module_bytes(part.module, part.format, parallel, dtype)[1] * len(part.indices)
    elements = (model.spec.parameters or 0) / parallel.tp
    total = sums["packed" if elements and size / elements < 0.8 else "16"]
    total[0], total[1], total[2] = size, elements, 2 * elements


def _experts(part: ResolvedModule, module: Experts, parallel: Parallelism, dtype: str) -> ExpertMatrices:
    local = module.local(parallel.moe_tp, parallel.ep, dtype)
    elements = float(local.hidden_size * (local.up_rows + local.intermediate_size))
    return ExpertMatrices(
        arithmetic=_arithmetic(part.format, part.format.experts(local) if part.format is not None else ()),
        layers=len(part.indices) * module.count,
        experts=local.experts,
        global_experts=max(1, module.num_experts),
        top_k=module.top_k,
        bytes=module_bytes(module, part.format, parallel, dtype)[1] / max(1, module.count * local.experts),
        elements=elements,
        flops=2 * elements,
    )


def _arithmetic(form: Format | None, tensors: tuple[StoredTensor, ...]) -> Arithmetic:
    """Read off the widest stored tensor what a GPU with the right units would multiply in."""
    if form is None or not tensors:
        return "16"
    widest = max(tensors, key=lambda t: t.created_bytes)
    if widest.dtype.startswith("float8"):
        return "fp8"
    if widest.dtype == "int8":
        return "int8"
    if widest.dtype in ("uint8", "float4_e2m1fn_x2") and any("input" in t.name and t.elements for t in tensors):
        return "fp4"
    if widest.dtype in ("int32", "uint8", "float4_e2m1fn_x2", "int64", "int16"):
        return "packed"
    return "fp8" if form.bits_per_weight == 8 else "packed" if form.bits_per_weight < 8 else "16"


def _head(model: ResolvedModel, parallel: Parallelism, dtype: str) -> Matrices:
    """The LM head, which is the embedding table where both are tied."""
    tables = [p for p in model.modules if p.placed is not None and isinstance(p.module, Embedding)]
    heads = [p for p in tables if isinstance(p.module, Embedding) and p.module.lm_head]
    chosen = heads or [p for p in tables if isinstance(p.module, Embedding) and p.module.rows >= model.spec.vocab_size]
    if not chosen or not isinstance(chosen[0].module, Embedding):
        return Matrices(arithmetic="16", bytes=0.0, elements=0.0, flops=0.0)
    part, table = chosen[0], chosen[0].module
    elements = float(table.local_rows(parallel.tp) * table.columns)
    size = module_bytes(table, part.format, parallel, dtype)[1] / max(1, table.count)
    kind: Arithmetic = "16" if part.format is None else "packed" if part.format.bits_per_weight < 8 else "fp8"
    return Matrices(arithmetic=kind, bytes=size, elements=elements, flops=2 * elements)


def _attention(spec: ModelSpec, parallel: Parallelism, dtype: str, kv_dtype: KVCacheDtype) -> tuple[Attention, ...]:
    heads = max(1.0, spec.num_attention_heads / parallel.tp)
    sums: dict[tuple[int, int], list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    fixed = recurrent = 0.0
    for run in spec.runs:
        layers = len(run.indices)
        for cache in run.layer.caches:
            if isinstance(cache, StateCache):
                elements, size = _state(cache, parallel.tp, dtype, spec.state_dtype or dtype)
                fixed += 2 * size * layers
                # one multiply-add each to decay, to write, to correct and to read the state
                recurrent += 8 * elements * layers
                continue
            size, flops, prefill, window, per_state = _per_token(cache, run.layer, heads, parallel.tp, dtype, kv_dtype)
            total = sums[window, per_state]
            total[0] += size * layers
            total[1] += flops * layers
            total[2] += prefill * layers
    found = [
        Attention(bytes=size, flops=flops, prefill_flops=prefill, window=window, per_state=per_state)
        for (window, per_state), (size, flops, prefill) in sums.items()
    ]
    if fixed:
        found.append(Attention(fixed_bytes=fixed, token_flops=recurrent))
    return tuple(found)


def _per_token(
    cache: CacheLayer, layer: Layer, heads: float, tp: int, dtype: str, kv_dtype: KVCacheDtype
) -> tuple[float, float, float, int, int]:
    """(bytes per cached entry, decode and prefill operations per pair, window, tokens per entry) of one layer.

    Operations: 2 per multiply-add, for the scores and for the weighted sum of values. Latent attention decodes in the
    latent space (every head over kv_lora_rank + rope, then kv_lora_rank) and prefills with expanded heads.
    """
    if isinstance(cache, AttentionCache):
        kv_heads = max(1, cache.num_kv_heads // tp) if cache.num_kv_heads else 1
        size = kv_heads * kv_dtype.head_bytes(cache.head_size, cache.head_size_v, dtype=dtype)
        flops = 2 * heads * (cache.head_size + cache.head_size_v)
        return size, flops, flops, cache.window or 0, 1
    if isinstance(cache, LatentCache):
        width = cache.kv_lora_rank + cache.qk_rope_head_dim
        size = kv_dtype.latent_bytes(width, dtype=dtype) if kv_dtype.latent else width * dtype_bytes(dtype)
        flops = 2 * heads * (width + cache.kv_lora_rank)
        window = _SPARSE_TOKENS if cache.sparse else cache.window or 0
        # sparse layers prefill in the latent space too, for each query has tokens of its own
        return size, flops, flops if cache.sparse else 2 * heads * _expanded(layer, cache), window, 1
    if isinstance(cache, IndexerCache):
        flops = 2 * 64 * cache.head_dim / max(1, tp)
        return cache.head_dim + 4 * cache.head_dim / 128, flops, flops, 0, cache.tokens_per_state
    if isinstance(cache, CompressedCache):
        flops = 4 * heads * cache.head_dim
        return cache.head_dim * dtype_bytes(dtype), flops, flops, _SPARSE_TOKENS, cache.tokens_per_state
    if isinstance(cache, WindowedLatentCache):
        flops = 4 * heads * cache.head_dim
        return cache.head_dim * dtype_bytes(dtype), flops, flops, cache.window, 1
    return 0.0, 0.0, 0.0, 1, 1


def _expanded(layer: Layer, cache: LatentCache) -> float:
    """Features of one head's key and value once expanded, read off kv_b_proj."""
    for module in layer.modules:
        if isinstance(module, Linear) and module.parallel == "column" and module.inputs == cache.kv_lora_rank:
            units = max(1, module.outputs[0].units)
            return sum(part.size for part in module.outputs) / units + cache.qk_rope_head_dim
    return 256.0 + cache.qk_rope_head_dim


def _state(cache: StateCache, tp: int, dtype: str, ssm_dtype: str) -> tuple[float, float]:
    """Elements and bytes of one layer's recurrent state on one rank."""
    elements = size = 0.0
    for tensor in cache.tensors:
        count = sum(part.local(tp, name=cache.kind) for part in tensor.rows) * tensor.columns
        elements += count
        size += count * dtype_bytes({"conv": dtype, "ssm": ssm_dtype}.get(tensor.dtype, tensor.dtype))
    return elements, size


def _activation_bytes(model: ResolvedModel, parallel: Parallelism, dtype: str) -> float:
    """Bytes per token between products: each reads its input and writes its output, and an operation between two of
    them (norm, activation, residual, quantization, gathering of experts' rows) does so once more.
    """
    values = 0.0
    for part in model.modules:
        module = part.module
        if isinstance(module, Linear):
            shape = module.local(parallel.tp, dtype) if part.indices else None
            values += 2 * (shape.rows + shape.inputs) * module.count * len(part.indices) if shape is not None else 0
        elif isinstance(module, Experts) and part.indices:
            local = module.local(parallel.moe_tp, parallel.ep, dtype)
            rows = module.top_k * local.experts / max(1, local.global_experts)
            width = local.up_rows + local.intermediate_size
            values += 2 * rows * (width + 2 * local.hidden_size) * module.count * len(part.indices)
    return values * dtype_bytes(dtype)


def _quantizing(model: ResolvedModel, parallel: Parallelism, dtype: str) -> int:
    """Kernels that quantize activations before products in 8 and 4 bit, which also start later than those in 16 bit."""
    found = 0
    for part in model.modules:
        module = part.module
        if isinstance(module, Linear) and part.format is not None and part.indices:
            kind = _arithmetic(part.format, part.format.linear(module.local(parallel.tp, dtype)))
            found += module.count * len(part.indices) if kind in ("fp8", "int8", "fp4") else 0
    return found
