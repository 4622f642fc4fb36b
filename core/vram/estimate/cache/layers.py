"""Bytes of one layer's cache on one tensor-parallel rank: per token, per compressed entry, per recurrent state.

Formulas: `v1/kv_cache_interface.py` and `model_executor/layers/mamba/mamba_utils.py`, 0.33.0.
"""

from __future__ import annotations

from vram.dtypes import dtype_bytes
from vram.errors import ConfigError, ParallelismError
from vram.estimate.cache.backends import backend_of
from vram.estimate.cache.context import CacheContext
from vram.models.cache import AttentionCache, IndexerCache, LatentCache, StateCache
from vram.models.kv_dtype import KVCacheDtype

MODEL_DTYPE = KVCacheDtype(name="auto")

_INDEX_SCALE_BYTES = 4
_INDEX_SCALE_GROUP = 128
_MXFP4_GROUP = 32
#: what DeepSeek-V4's packed vector adds to its numbers: 64 of them are rotary and stay bf16, and 8 scale bytes
#: (`models/deepseek_v4/attention.py`: 448 + 2 × 64 + 8 = 584 for 512 numbers)
_PACKED_EXTRA_BYTES = 64 + 8


def local_kv_heads(heads: int, tensor_parallel_size: int) -> int:
    """KV heads of one rank; with more ranks than heads each rank holds one. Raises ParallelismError."""
    if tensor_parallel_size <= heads:
        if heads % tensor_parallel_size:
            raise ParallelismError(what="KV heads", units=heads, tensor_parallel_size=tensor_parallel_size)
        return heads // tensor_parallel_size
    if tensor_parallel_size % heads:
        raise ParallelismError(what="KV heads", units=heads, tensor_parallel_size=tensor_parallel_size)
    return 1


def attention_token_bytes(layer: AttentionCache, context: CacheContext) -> int:
    """K and V of one token in one layer. Raises ParallelismError, ConfigError."""
    if layer.head_size < 1 or layer.head_size_v < 0 or layer.num_kv_heads < 1:
        raise ConfigError(path="config.json", field="head_dim", problem="leaves attention heads without features")
    dtype = MODEL_DTYPE if layer.unquantized else context.kv_dtype
    head = dtype.head_bytes(layer.head_size, layer.head_size_v, dtype=context.dtype)
    return local_kv_heads(layer.num_kv_heads, context.tensor_parallel_size) * layer.states_per_token * head


def latent_token_bytes(layer: LatentCache, context: CacheContext) -> int:
    """The latent vector of one token in one layer, whole on every rank. Raises InputError."""
    dtype = MODEL_DTYPE if layer.unquantized else context.kv_dtype
    if layer.sparse and dtype.sparse_latent_token_bytes is not None and _packs_sparse(layer, dtype, context):
        return dtype.sparse_latent_token_bytes
    return dtype.latent_bytes(layer.kv_lora_rank + layer.qk_rope_head_dim, dtype=context.dtype)


def _packs_sparse(layer: LatentCache, dtype: KVCacheDtype, context: CacheContext) -> bool:
    """Whether the sparse backend stores this dtype packed (`mla_attention.py:_canonicalize_sparse_mla_kv_cache_dtype`).

    Before backends chose for themselves every quantized cache was; so it is counted where vLLM has no backend.
    """
    backend = backend_of(layer, context)
    return dtype.quantized if backend is None else dtype.name in backend.packs


def index_entry_bytes(layer: IndexerCache) -> int:
    """One indexer key: fp8 numbers and a scale per 128 of them (`models/deepseek_v2.py:DeepseekV32IndexerCache`)."""
    if layer.four_bits:
        return layer.head_dim // 2 + layer.head_dim // _MXFP4_GROUP
    return layer.head_dim + layer.head_dim // _INDEX_SCALE_GROUP * _INDEX_SCALE_BYTES


def packs_compressed(context: CacheContext) -> bool:
    """Whether DeepSeek-V4 stores its vectors in the packed fp8 layout; only an unquantized request does not."""
    return context.kv_dtype.bits is None or context.kv_dtype.quantized


def compressed_entry_bytes(head_dim: int, context: CacheContext) -> int:
    """One vector of DeepSeek-V4's compressed or windowed cache."""
    if packs_compressed(context):
        return head_dim + _PACKED_EXTRA_BYTES
    return context.kv_dtype.latent_bytes(head_dim, dtype=context.dtype)


def state_bytes(layer: StateCache, context: CacheContext) -> int:
    """The recurrent state of one request in one layer. Raises ParallelismError."""
    total = 0
    for tensor in layer.tensors:
        rows = sum(part.local(context.tensor_parallel_size, name=f"{layer.kind} state") for part in tensor.rows)
        columns = tensor.columns + (context.num_speculative_tokens if tensor.grows_with_speculation else 0)
        total += rows * columns * dtype_bytes(state_dtype(tensor.dtype, context))
    return total


def state_dtype(name: str, context: CacheContext) -> str:
    """The dtype of a state tensor: "conv" and "ssm" follow the mamba_*_cache_dtype arguments.

    `mamba_utils.py:MambaStateDtypeCalculator`: conv auto is the model's dtype, ssm auto is conv's.
    """
    if name not in ("conv", "ssm"):
        return name
    conv = context.dtype if context.mamba_cache_dtype == "auto" else context.mamba_cache_dtype
    if name == "conv" or context.mamba_ssm_cache_dtype == "auto":
        return conv
    return context.mamba_ssm_cache_dtype
