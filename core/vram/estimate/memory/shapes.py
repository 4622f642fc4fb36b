"""What the activation and graph arithmetic needs of a model, read off its modules on one rank."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from vram.dtypes import dtype_bits
from vram.estimate.weights.ranks import Parallelism
from vram.estimate.weights.resolved import ResolvedModel, ResolvedModule
from vram.models.cache import CacheLayer, CompressedCache, IndexerCache, LatentCache, StateCache, WindowedLatentCache
from vram.models.parameters import Experts, Linear, LocalExperts, Module
from vram.models.record import frozen
from vram.models.scheme import StoredTensor
from vram.models.spec import Layer

_GATED_DELTA = ("gated_delta_net", "kda", "linear_attention")


@frozen(kw_only=True, cache_hash=True)
class ExpertShapes:
    """One distinct mixture-of-experts layer on one rank and how its kernel reads the weights."""

    local: LocalExperts
    kernel: str  # "plain", "fp8_block", "mxfp4", "nvfp4"


@frozen(kw_only=True, cache_hash=True)
class SparseAttention:
    """What attention to chosen tokens gathers: keys of `index_head_dim` bytes and their scales of every `index_ratio`-th
    token, and, where keys are compressed, vectors of `head_dim` of every `ratio`-th token and of a `window`.
    """

    index_head_dim: int
    index_ratio: int
    head_dim: int = 0
    ratio: int = 1
    window: int = 0


@frozen(kw_only=True, cache_hash=True)
class ModelShapes:
    """Widths are elements per token on one rank.

    `widest` is the most that one block (attention, MLP) holds between its projections; `latent_width` what latent
    attention up-projects per cached token (heads × (nope + v)), 0 without. `hidden` and `vocabulary` are not divided;
    `streams` of `hidden` run through the layers (hyper-connections).
    """

    hidden: int
    vocabulary: int
    widest: int
    latent_width: int
    experts: tuple[ExpertShapes, ...]
    layers: int
    gated_delta_layers: int
    mamba_layers: int
    latent_layers: int
    streams: int = 1
    sparse: SparseAttention | None = None


@lru_cache(maxsize=256)
def model_shapes(model: ResolvedModel, parallel: Parallelism, dtype: str) -> ModelShapes:
    """The shapes of one rank. Raises ParallelismError."""
    spec = model.spec
    kinds = {"gated_delta": 0, "mamba": 0, "latent": 0}
    widest, latent = 0, 0
    padded = _padded_heads(spec.num_attention_heads // parallel.tp)
    for run in spec.runs:
        widest = max(widest, _widest_block(run.layer, parallel, dtype) + _padded_output(run.layer, padded))
        latent = max(latent, _latent_width(run.layer, parallel, dtype))
        for kind in _kinds(run.layer):
            kinds[kind] += len(run.indices)
    return ModelShapes(
        hidden=spec.hidden_size,
        vocabulary=spec.vocab_size,
        widest=widest,
        latent_width=latent,
        experts=_experts(model.modules, parallel, dtype),
        layers=spec.num_layers,
        gated_delta_layers=kinds["gated_delta"],
        mamba_layers=kinds["mamba"],
        latent_layers=kinds["latent"],
        streams=spec.residual_streams,
        sparse=_sparse(spec.caches),
    )


def _widest_block(layer: Layer, parallel: Parallelism, dtype: str) -> int:
    """Outputs of the projections since the last row-parallel one, plus that one's input, at their largest.

    A recurrence does not run while vLLM profiles (`gdn/qwen_gdn_linear_attn.py:_forward_core`, 0.24.0); its convolution, a
    projection here, stands for what it would have written and its norm's input.
    """
    widest = live = 0
    for module in layer.modules:
        if not isinstance(module, Linear):
            continue
        shape = module.local(parallel.tp, dtype)
        if shape.parallel == "row":
            widest, live = max(widest, live + shape.inputs), 0
        else:
            live += shape.rows * module.count
    return max(widest, live)


def _padded_heads(local: int) -> int:
    """FlashMLA's sparse kernel runs 64 or 128 heads."""
    return 64 if local <= 64 else 128


def _padded_output(layer: Layer, heads: int) -> int:
    """Compressed attention writes into an output of padded heads (`models/deepseek_v4/attention.py`, 0.26.0)."""
    return max((heads * cache.head_dim for cache in layer.caches if isinstance(cache, WindowedLatentCache)), default=0)


def _sparse(caches: Iterable[CacheLayer]) -> SparseAttention | None:
    found = list(caches)
    indexers = [cache for cache in found if isinstance(cache, IndexerCache)]
    if not indexers:
        return None
    compressed = [cache for cache in found if isinstance(cache, CompressedCache)]
    windows = [cache.window for cache in found if isinstance(cache, WindowedLatentCache)]
    return SparseAttention(
        index_head_dim=max(cache.head_dim for cache in indexers),
        index_ratio=min(cache.tokens_per_state for cache in indexers),
        head_dim=max((cache.head_dim for cache in compressed), default=0),
        ratio=min((cache.tokens_per_state for cache in compressed), default=1),
        window=max(windows, default=0),
    )


def _latent_width(layer: Layer, parallel: Parallelism, dtype: str) -> int:
    ranks = {cache.kv_lora_rank for cache in layer.caches if isinstance(cache, LatentCache)}
    widths = [0]
    for module in layer.modules:
        if isinstance(module, Linear) and module.parallel == "column" and module.inputs in ranks:
            widths.append(module.local(parallel.tp, dtype).rows)
    return max(widths)


def _kinds(layer: Layer) -> Iterable[str]:
    found = set()
    for cache in layer.caches:
        if isinstance(cache, LatentCache | WindowedLatentCache):
            found.add("latent")
        elif isinstance(cache, StateCache):
            found.add("gated_delta" if cache.kind in _GATED_DELTA else "mamba")
    return found


def _experts(modules: Iterable[ResolvedModule], parallel: Parallelism, dtype: str) -> tuple[ExpertShapes, ...]:
    found = []
    for resolved in modules:
        module: Module = resolved.module
        if isinstance(module, Experts):
            local = module.local(parallel.moe_tp, parallel.ep, dtype)
            tensors = resolved.format.experts(local) if resolved.format is not None else ()
            found.append(ExpertShapes(local=local, kernel=kernel_of(tensors, local)))
    return tuple(dict.fromkeys(found))


def kernel_of(tensors: tuple[StoredTensor, ...], local: LocalExperts) -> str:
    """The family of fused-MoE kernels, read off how the weights are stored.

    Four-bit floats have packed bytes with fp8 scales (NVFP4) or one-byte exponents (MXFP4); block-wise fp8 has more
    than one fp32 scale per expert, but not one per output row.
    """
    scales = [t for t in tensors if "scale" in t.name and t.elements > local.experts * 2]
    packed = any("scale" not in t.name and t.dtype in ("uint8", "float4_e2m1fn_x2") for t in tensors)
    if packed:
        return "nvfp4" if any(t.dtype == "float8_e4m3fn" for t in scales) else "mxfp4" if scales else "plain"
    if any("scale" not in t.name and t.dtype.startswith("float8") for t in tensors):
        blocks = [t for t in scales if "input" not in t.name and dtype_bits(t.dtype) == 32]
        rows = local.experts * local.up_rows
        if any(t.elements != rows and t.elements != local.experts * local.hidden_size for t in blocks):
            return "fp8_block"
    return "plain"
