"""KV caches that vLLM has for AMD's GPUs alone: Octave and UltraQuant.

`v1/attention/ops/rocm_octave.py:OctaveFormat` (0.33.0), heads of 256 of which 64 numbers rotate, the only ones it takes:
keys of 3 bits, 4 where they rotate, values of 3 or 4, an fp16 scale per 64 numbers of the key and one of the value;
"compact" has 3 bits and one scale for the whole key. `v1/attention/ops/ultraquant/format.py` (0.32.0): 4 bits, and a byte
per 32 numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from vram.models.kv_dtype import KVCacheDtype

_ROCM = "rocm"
_FP16_SCALE = 2
#: a fourth bit for 64 rotary numbers, and scales of the key's four blocks
_BLOCK_KEY_EXTRA = 64 // 8 + 4 * _FP16_SCALE


def dtypes() -> Iterator[KVCacheDtype]:
    """KV cache dtypes, as the package names them first."""
    for name, value_bits, key_extra, alignment in (
        ("octave_k3v4", 4, _BLOCK_KEY_EXTRA, 8),
        ("octave_k3v3", 3, _BLOCK_KEY_EXTRA, 8),
        ("octave_k3v3_compact", 3, _FP16_SCALE, 4),
    ):
        yield KVCacheDtype(
            name=name,
            bits=3,
            value_bits=value_bits,
            key_extra_bytes=key_extra,
            value_extra_bytes=_FP16_SCALE,
            slot_alignment=alignment,
            latent=False,
            since=(0, 33, 0),
            platform=_ROCM,
        )
    yield KVCacheDtype(
        name="ultraquant_4bit",
        bits=4,
        elements_per_scale=32,
        latent=False,
        unquantized_ends=2,
        since=(0, 32, 0),
        platform=_ROCM,
    )
