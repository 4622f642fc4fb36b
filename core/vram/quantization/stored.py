"""Which modules the checkpoint's headers show as quantized.

vLLM looks there where the block has no list of its own (`auto_awq.py`, `auto_gptq.py`: `maybe_update_config`, 0.33.0):
a module is quantized when one of its tensors is of no floating type of 16 or 32 bits.
"""

from __future__ import annotations

from vram.models.scheme import QuantizationRequest
from vram.quantization.names import renamed

_UNQUANTIZED = frozenset(("F16", "BF16", "F32", "float16", "bfloat16", "float32"))


def _modules(request: QuantizationRequest) -> tuple[set[str], set[str]]:
    if request.inventory is None:
        return set(), set()
    every = {tensor.name.rpartition(".")[0] for tensor in request.inventory.tensors}
    quantized = {
        tensor.name.rpartition(".")[0] for tensor in request.inventory.tensors if tensor.dtype not in _UNQUANTIZED
    }
    return every, quantized


def unquantized_modules(request: QuantizationRequest) -> tuple[str, ...]:
    """Modules stored in 16 or 32 bits, by vLLM's names; empty without headers."""
    every, quantized = _modules(request)
    return renamed(sorted(every - quantized), request.renames)


def quantized_modules(request: QuantizationRequest) -> tuple[str, ...]:
    """Modules with any other tensor, by vLLM's names; empty without headers."""
    return renamed(sorted(_modules(request)[1]), request.renames)
