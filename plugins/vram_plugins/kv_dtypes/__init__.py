"""Built-in KV cache dtypes, one module per family: their names and aliases, without importing any."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later

#: by module: its KV cache dtypes
NAMES = {
    "fp8": "fp8 fp8_e4m3 fp8_e4m3fn fp8_e5m2 fp8_inc fp8_ds_mla",
    "nvfp4": "nvfp4 nvfp4_4over6 nvfp4_ds_mla",
    "per_token_head": "int8_per_token_head fp8_per_token_head int4_per_token_head",
    "rocm": "octave_k3v4 octave_k3v3 octave_k3v3_compact ultraquant_4bit",
    "turboquant": "turboquant_k8v4 turboquant_4bit_nc turboquant_k3v4_nc turboquant_3bit_nc",
    "unquantized": "auto bfloat16 bf16 float16 half fp16 float32 float fp32",
}


@hookimpl
def vram_kv_cache_dtypes() -> Iterator[Later]:
    """Each module's names."""
    for module, names in NAMES.items():
        yield Later(names=tuple(names.split()), load=f"{__name__}.{module}:dtypes")
