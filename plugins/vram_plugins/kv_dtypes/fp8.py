"""8-bit floating point KV caches.

Scales are per tensor and live with the weights, so a number is one byte (`utils/torch_utils.py`,
`STR_DTYPE_TO_TORCH_DTYPE`). `fp8_ds_mla` packs one token of sparse latent attention into 656 bytes:
512 fp8 numbers, 4 fp32 scales and 64 bf16 rotary numbers (`v1/attention/backends/mla/flashmla_sparse.py`).
"""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.kv_dtype import KVCacheDtype

#: bytes of one packed token of sparse latent attention
PACKED_SPARSE_TOKEN = 656
#: FlashInfer reads fp8 caches from Turing on; FlashAttention 3 and Triton need Hopper and Ada
_OLDEST_CAPABILITY = (7, 5)


def dtypes() -> Iterator[KVCacheDtype]:
    """KV cache dtypes, as the package names them first."""
    for name, aliases in (("fp8", ()), ("fp8_e4m3", ("fp8_e4m3fn",))):
        yield KVCacheDtype(
            name=name,
            aliases=aliases,
            bits=8,
            sparse_latent_token_bytes=PACKED_SPARSE_TOKEN,
            min_capability=_OLDEST_CAPABILITY,
        )
    yield KVCacheDtype(name="fp8_e5m2", bits=8, min_capability=_OLDEST_CAPABILITY)
    yield KVCacheDtype(name="fp8_inc", bits=8, since=(0, 10, 0))
    yield KVCacheDtype(
        name="fp8_ds_mla", bits=8, latent_token_bytes=PACKED_SPARSE_TOKEN, since=(0, 11, 1), min_capability=(9, 0)
    )
