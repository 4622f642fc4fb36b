"""What the files store against what the adapter describes: said loudly where they disagree."""

from __future__ import annotations

from functools import lru_cache

from vram.dtypes import dtype_bytes
from vram.errors import VramError
from vram.estimate.weights.parameters import parameter_count, unpadded_bytes
from vram.estimate.weights.ranks import Parallelism, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.checkpoint import Checkpoint
from vram.models.scheme import Quantization
from vram.models.spec import ModelSpec

#: headers and adapter may differ by padding, rotary buffers, a tied copy; beyond this something else is meant
_TOLERANCE = 0.02


@lru_cache(maxsize=256)
def disagreement(checkpoint: Checkpoint, spec: ModelSpec, quantization: Quantization | None) -> str | None:
    """A sentence where what the files store and what the adapter describes differ by more than 2 %; else None."""
    if checkpoint.source in {"manual", "gguf"} or spec.provenance == "assumed":
        return None
    inventory = checkpoint.inventory
    if quantization is None and inventory is not None:
        stored, described, unit = inventory.elements, parameter_count(spec), "parameters"
    else:
        stored, unit = inventory.total_bytes if inventory else checkpoint.stored_bytes or 0, "bytes"
        try:
            sizes = [
                size
                for dtype in _stored_dtypes(checkpoint, spec)
                for size in _described_bytes(spec, quantization, dtype, stored)
            ]
        except VramError:
            return None
        described = min(sizes, key=lambda size: abs(stored - size))
    if not stored or abs(stored - described) <= _TOLERANCE * described:
        return None
    return (
        f"The checkpoint's files hold {stored:,} {unit}, {spec.architecture} as described here {described:,} "
        f"({100 * (stored - described) / described:+.1f} %): one of them is not what it seems (another variant, extra "
        "tensors such as a draft, or a config that does not belong to the files)."
    )


def _described_bytes(spec: ModelSpec, quantization: Quantization | None, dtype: str, stored: int) -> tuple[int, ...]:
    """Bytes of the whole model with its unquantized parameters in `dtype`, as vLLM creates it. Raises VramError.

    Kernels pad what files hold as it is: whatever is `stored` between the two is described as well.
    """
    model = resolve(spec, quantization)
    created = sum(rank.parameter_bytes for rank in rank_weights(model, Parallelism(), dtype))
    return (created, min(created, max(stored, unpadded_bytes(model, dtype))))


def _stored_dtypes(checkpoint: Checkpoint, spec: ModelSpec) -> tuple[str, ...]:
    """What the files may store unquantized parameters in: both widths in use where the config does not say."""
    config = checkpoint.config
    if not any(section.has("dtype", "torch_dtype") for section in (config, config.text())):
        return ("bfloat16", "float32")
    try:
        dtype_bytes(spec.dtype)
    except VramError:
        return ("bfloat16",)
    return (spec.dtype,)
