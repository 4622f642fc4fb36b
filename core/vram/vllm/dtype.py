"""The engine's dtype when the user says 'auto' (vLLM 0.33.0 `config/model.py:_resolve_auto_dtype`)."""

from __future__ import annotations

from vram.dtypes import canonical_dtype
from vram.errors import InputError
from vram.models.platform import platform_of

_ENGINE_DTYPES = ("float16", "bfloat16", "float32")


def supported_dtypes(capability: tuple[int, int]) -> tuple[str, ...]:
    """What the platform can compute in, preferred first: bfloat16 needs compute capability 8.0."""
    platform = platform_of(capability)
    if platform is not None:
        return platform.dtypes
    if capability >= (8, 0):
        return ("bfloat16", "float16", "float32")
    return ("float16", "float32")


def resolve_dtype(
    requested: str, *, checkpoint: str, capability: tuple[int, int], pooling: bool, float16: bool = True
) -> str:
    """The dtype weights and activations have.

    'auto' keeps the checkpoint's if the GPU supports it; float32 checkpoints become the platform's preferred 16-bit dtype
    (float16 for pooling models). Not `float16` are models too unstable for it. Raises InputError for a dtype vLLM has not.
    """
    if requested != "auto":
        name = canonical_dtype(requested)
        if name not in _ENGINE_DTYPES:
            raise InputError(name="dtype", value=requested, problem=f"must be auto, {', '.join(_ENGINE_DTYPES)}")
        if name == "float16" and not float16:
            raise InputError(
                name="dtype", value=requested, problem="is not stable with this model, and vLLM refuses it"
            )
        return name
    supported = tuple(name for name in supported_dtypes(capability) if float16 or name != "float16")
    if checkpoint == "float32" or checkpoint not in _ENGINE_DTYPES:
        return "float16" if pooling and checkpoint == "float32" and float16 else supported[0]
    return checkpoint if checkpoint in supported else supported[0]
