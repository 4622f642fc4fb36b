"""KV caches at the model's dtype, or at a named 16- or 32-bit one (`config/cache.py:CacheDType`)."""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.kv_dtype import KVCacheDtype
from vram_plugins.kv_dtypes.fp8 import PACKED_SPARSE_TOKEN


def dtypes() -> Iterator[KVCacheDtype]:
    """KV cache dtypes, as the package names them first."""
    # The sparse latent backend of RTX Blackwell packs even the default cache (`mla_attention.py`, 0.33).
    yield KVCacheDtype(name="auto", sparse_latent_token_bytes=PACKED_SPARSE_TOKEN)
    yield KVCacheDtype(name="bfloat16", bits=16, aliases=("bf16",), since=(0, 11, 0), min_capability=(8, 0))
    yield KVCacheDtype(name="float16", bits=16, aliases=("half", "fp16"), since=(0, 18, 0))
    # No vLLM takes float32 by name; it is what "auto" means for a float32 model.
    yield KVCacheDtype(name="float32", bits=32, aliases=("float", "fp32"))
