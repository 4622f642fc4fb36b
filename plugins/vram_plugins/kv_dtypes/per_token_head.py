"""KV caches quantized per token and head: each side carries an fp32 scale behind its numbers.

`v1/attention/backends/triton_attn.py:customize_spec`: (K + V) numbers and 2 × 4 bytes per head and token. The int4
numbers are packed two to a byte, on each side by itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.kv_dtype import KVCacheDtype

_FP32_SCALE = 4


def dtypes() -> Iterator[KVCacheDtype]:
    """KV cache dtypes, as the package names them first."""
    for name, bits, since in (
        ("int8_per_token_head", 8, (0, 20, 0)),
        ("fp8_per_token_head", 8, (0, 20, 0)),
        ("int4_per_token_head", 4, (0, 25, 0)),
    ):
        yield KVCacheDtype(
            name=name,
            bits=bits,
            key_extra_bytes=_FP32_SCALE,
            value_extra_bytes=_FP32_SCALE,
            latent=False,
            since=since,
            min_capability=(8, 9) if name.startswith("fp8") else (0, 0),
        )
