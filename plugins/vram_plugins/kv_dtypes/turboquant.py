"""TurboQuant: rotated keys at 3, 4 or 8 bits, values at 3 or 4 bits, packed in one slot per head and token.

`model_executor/layers/quantization/turboquant/config.py`: keys of 8 bits are plain fp8, narrower ones carry an
fp16 norm; values carry an fp16 scale and zero point; a slot is rounded up to an even number of bytes. vLLM keeps
the first and last two attention layers of models that are attention only at their own dtype.
"""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.kv_dtype import KVCacheDtype

_FP16_NORM = 2
_FP16_SCALE_AND_ZERO = 4


def dtypes() -> Iterator[KVCacheDtype]:
    """KV cache dtypes, as the package names them first."""
    for name, key_bits, value_bits in (
        ("turboquant_k8v4", 8, 4),
        ("turboquant_4bit_nc", 4, 4),
        ("turboquant_k3v4_nc", 3, 4),
        ("turboquant_3bit_nc", 3, 3),
    ):
        yield KVCacheDtype(
            name=name,
            bits=key_bits,
            value_bits=value_bits,
            key_extra_bytes=0 if key_bits == 8 else _FP16_NORM,
            value_extra_bytes=_FP16_SCALE_AND_ZERO,
            slot_alignment=2,
            latent=False,
            unquantized_ends=2,
            since=(0, 20, 0),
        )
