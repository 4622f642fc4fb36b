"""The engine's dtype when the user says 'auto' (vLLM 0.33.0 `config/model.py:_resolve_auto_dtype`)."""

from __future__ import annotations

from vram.dtypes import canonical_dtype
from vram.errors import InputError

_ENGINE_DTYPES = ("float16", "bfloat16", "float32")
#: model types that float16 is too narrow for (`config/model.py:_FLOAT16_NOT_SUPPORTED_MODELS`)
_WITHOUT_FLOAT16 = frozenset({"gemma2", "gemma3", "gemma3_text", "glm4"})


def supported_dtypes(capability: tuple[int, int]) -> tuple[str, ...]:
    """What the platform can compute in, preferred first: bfloat16 needs compute capability 8.0."""
    if capability >= (8, 0):
        return ("bfloat16", "float16", "float32")
    return ("float16", "float32")


def resolve_dtype(
    requested: str, *, checkpoint: str, capability: tuple[int, int], pooling: bool, model_type: str = ""
) -> str:
    """The dtype weights and activations have.

    'auto' keeps the checkpoint's if the GPU supports it; float32 checkpoints become the platform's preferred 16-bit dtype
    (float16 for pooling models). Raises InputError for a dtype vLLM has not, for this `model_type` or at all.
    """
    if requested != "auto":
        name = canonical_dtype(requested)
        if name not in _ENGINE_DTYPES:
            raise InputError(name="dtype", value=requested, problem=f"must be auto, {', '.join(_ENGINE_DTYPES)}")
        if name == "float16" and model_type in _WITHOUT_FLOAT16:
            raise InputError(name="dtype", value=requested, problem=f"is not supported by vLLM for {model_type}")
        return name
    narrow = model_type in _WITHOUT_FLOAT16
    supported = [name for name in supported_dtypes(capability) if not narrow or name != "float16"]
    if checkpoint == "float32" or checkpoint not in _ENGINE_DTYPES:
        return "float16" if pooling and checkpoint == "float32" and not narrow else supported[0]
    return checkpoint if checkpoint in supported else supported[0]
