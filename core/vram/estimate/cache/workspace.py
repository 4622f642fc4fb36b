"""What attention backends allocate while the model loads, so that "Model loading took" counts it."""

from __future__ import annotations

from vram.estimate.cache.backends import backend_of
from vram.estimate.cache.context import CacheContext
from vram.models.cache import LatentCache
from vram.models.spec import ModelSpec

_SPARSE = "FLASHMLA_SPARSE"
_SHARED_SINCE = (0, 14, 0)  # vLLM's shared workspace
_QUERIES_SINCE = (0, 20, 0)
_CONTEXTS, _ITEM = 5, 2


def loaded_workspace_bytes(spec: ModelSpec, context: CacheContext) -> int:
    """Bytes that FlashMLA's sparse attention reserves of the shared workspace: 5 contexts in bf16 where the cache is fp8, and
    since 0.20 the queries of a batch, each (kv_lora_rank + qk_rope_head_dim) wide.

    Source: `v1/attention/backends/mla/flashmla_sparse.py:FlashMLASparseImpl` (0.14.1, 0.20.2, 0.28.0). A public start of GLM-5.3
    in fp8 over 8 H200 at 1,048,576 tokens logs 94.46 GiB: 88.70 of weights and 5.70 of this.
    """
    version = context.behaviour.version
    layer = next((cache for cache in spec.caches if isinstance(cache, LatentCache) and cache.sparse), None)
    if layer is None or version < _SHARED_SINCE or not context.compute_capability >= (9, 0):
        return 0
    backend = backend_of(layer, context)
    if backend is not None and backend.name != _SPARSE:
        return 0
    width = (layer.kv_lora_rank + layer.qk_rope_head_dim) * _ITEM
    gathered = _CONTEXTS * context.max_model_len * width if context.kv_dtype.quantized else 0
    heads = context.num_attention_heads // context.tensor_parallel_size
    queries = context.max_num_batched_tokens * heads * width if version >= _QUERIES_SINCE else 0
    return gathered + queries
