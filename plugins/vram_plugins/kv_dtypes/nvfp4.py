"""4-bit floating point KV caches.

K and V each take half a byte per number and one fp8 scale per 16 (`utils/torch_utils.py:nvfp4_kv_cache_full_dim`,
`v1/attention/backends/flashinfer.py:customize_spec`). `nvfp4_ds_mla` packs one token of sparse latent attention
into 352 bytes (`model_executor/layers/attention/mla_attention.py`). Since 0.32 FlashInfer's FA2 kernels have plain `nvfp4` on
Ampere, Ada, Hopper and RTX Blackwell too (`flashinfer.py:_nvfp4_kv_on_fa2`).
"""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.kv_dtype import KVCacheDtype

_BLACKWELL = (10, 0)
_ON_AMPERE = ((0, 32, 0), (8, 0))


def dtypes() -> Iterator[KVCacheDtype]:
    """KV cache dtypes, as the package names them first."""
    for name, since in (("nvfp4", (0, 20, 0)), ("nvfp4_4over6", (0, 28, 0))):
        yield KVCacheDtype(
            name=name,
            bits=4,
            elements_per_scale=16,
            latent=False,
            since=since,
            min_capability=_BLACKWELL,
            widened=_ON_AMPERE if name == "nvfp4" else None,
        )
    yield KVCacheDtype(name="nvfp4_ds_mla", bits=4, latent_token_bytes=352, since=(0, 30, 0), min_capability=_BLACKWELL)
