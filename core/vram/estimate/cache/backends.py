"""The attention backend of each cached layer, asked of the platform's table."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeGuard

from vram.architecture.backends import CACHE_DTYPES, Backend, Need, choose
from vram.architecture.blocks import Blocks
from vram.architecture.cuda_backends import CUDA
from vram.estimate.cache.context import CacheContext
from vram.models.cache import AttentionCache, CacheLayer, LatentCache, StateCache
from vram.models.platform import platform_of
from vram.models.record import evolve

#: backends decide their blocks themselves; before, `platforms/cuda.py` forced the sizes of latent ones
CHOOSES_SINCE = (0, 18, 0)
#: the first version whose table was read closely enough to refuse by it
REFUSES_SINCE = (0, 28, 0)
_SELECTED = AttentionCache | LatentCache


def need_of(layer: AttentionCache | LatentCache, context: CacheContext, *, model_head_size: int = 0) -> Need:
    """The layer as vLLM's selector is asked about it; `model_head_size` 0 is the layer's own."""
    version, name = context.behaviour.version, context.kv_dtype.name
    heads = context.num_attention_heads // context.tensor_parallel_size
    features = {"dcp"} if context.decode_context_parallel_size > 1 and version >= (0, 29, 0) else set()
    need = Need(
        version=version,
        capability=context.compute_capability,
        dtype=context.dtype,
        kv_dtype="auto" if layer.unquantized or name not in CACHE_DTYPES else name,
        block_size=context.block_size,
        heads=heads,
    )
    if isinstance(layer, LatentCache):
        size = layer.kv_lora_rank + layer.qk_rope_head_dim
        need = evolve(need, latent=True, sparse=layer.sparse, nope=layer.qk_nope_head_dim)
        return evolve(need, head_size=size, head_size_v=size, model_head_size=size, features=frozenset(features))
    features |= {layer.kind} & {"cross_attention"}
    if layer.kind == "sliding_window" and version >= (0, 28, 0):
        features.add("sliding_window")
    features |= {name for name, has in (("sinks", layer.sinks), ("mm_prefix", context.mm_prefix)) if has}
    return evolve(
        need,
        head_size=layer.head_size,
        head_size_v=layer.head_size_v,
        model_head_size=model_head_size or layer.head_size,
        features=frozenset(features),
        flash_version=4 if context.uneven_heads and not context.kv_dtype.quantized else 0,
        grouped=heads // max(1, layer.num_kv_heads // context.tensor_parallel_size) > 1,
    )


def _brings_its_own(layer: CacheLayer) -> TypeGuard[AttentionCache]:
    """A layer with blocks of its own is its model's, backend and all (MiniMax M3's indexer, Inkling's convolutions)."""
    return isinstance(layer, AttentionCache) and layer.block_size > 0


@lru_cache(maxsize=1024)
def _chosen(need: Need, asked: str | None) -> tuple[Backend | None, str]:
    platform = platform_of(need.capability)
    table = CUDA if platform is None else platform.attention
    return (None, "") if table is None else choose(table, need, asked)


def backend_of(layer: AttentionCache | LatentCache, context: CacheContext) -> Backend | None:
    """The backend that serves a layer; None where vLLM has none, and before backends chose for themselves."""
    if context.behaviour.version < CHOOSES_SINCE:
        return None
    return _chosen(need_of(layer, context), context.attention_backend)[0]


def blocks_of(layer: AttentionCache | LatentCache, context: CacheContext, *, model_head_size: int = 0) -> Blocks:
    """The kernel block sizes of a layer's backend; where there is none, what every backend takes."""
    if _brings_its_own(layer):
        return Blocks(sizes=(layer.block_size,))
    backend = backend_of(layer, context)
    return backend.blocks(need_of(layer, context, model_head_size=model_head_size)) if backend else Blocks(sizes=(16,))


def layer_blocks(layers: tuple[CacheLayer, ...], context: CacheContext) -> tuple[Blocks, ...]:
    """The distinct kernel block sizes of a model's attention layers, in order."""
    windows = [layer for layer in layers if _brings_its_own(layer) and layer.kind != "full_attention"]
    selected = [layer for layer in layers if isinstance(layer, _SELECTED) and layer not in windows]
    widest = max((layer.head_size for layer in selected if isinstance(layer, AttentionCache)), default=0)
    return tuple(dict.fromkeys(blocks_of(layer, context, model_head_size=widest) for layer in selected))


def refusal(layers: tuple[CacheLayer, ...], context: CacheContext) -> str:
    """Why vLLM cannot cache one of the layers as asked, "" where it caches each."""
    states = [isinstance(layer, StateCache) for layer in layers]
    if context.disable_hybrid_kv_cache_manager and context.rules.paged_states and len(set(states)) > 1:
        # `kv_cache_utils.py:unify_hybrid_kv_cache_specs`
        return "Failed to promote local KV cache specs to one unified type: --disable-hybrid-kv-cache-manager"
    for layer in layers if context.behaviour.version >= REFUSES_SINCE else ():
        if isinstance(layer, _SELECTED) and not _brings_its_own(layer):
            backend, problem = _chosen(need_of(layer, context), context.attention_backend)
            if backend is None and problem:
                return problem
            if (
                isinstance(layer, AttentionCache)
                and layer.triton
                and backend is not None
                and backend.name != "TRITON_ATTN"
            ):
                return (
                    f"{layer.triton} is not supported by backend {backend.name}; --attention-backend TRITON_ATTN has it"
                )
    return ""
