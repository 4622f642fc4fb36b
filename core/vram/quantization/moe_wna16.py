"""Integer experts that Marlin does not take: bytes instead of words (`moe_wna16.py`, 0.33.0)."""

from __future__ import annotations

from vram.errors import QuantizationError
from vram.models.parameters import LocalExperts
from vram.models.scheme import StoredTensor
from vram.quantization import humming
from vram.quantization.target import Target

_LEAST_GROUP = 32


def byte_experts(
    method: str, shape: LocalExperts, *, bits: int, group_size: int, zero_points: bool, target: Target
) -> tuple[StoredTensor, ...]:
    """w13 and w2 in bytes, the group halved until it divides both widths. Raises QuantizationError."""
    if bits not in (4, 8):
        raise QuantizationError(method=method, problem=f"vLLM has no fused experts of {bits} bits")
    group = _dividing_group(method, shape, group_size)
    count, pack = shape.experts, 8 // bits
    tensors: list[StoredTensor] = []
    for prefix, rows, inputs in (
        ("w13_", shape.up_rows, shape.hidden_size),
        ("w2_", shape.hidden_size, shape.intermediate_size),
    ):
        kept: tuple[int | None, int | None, int | None] = (None, None, None)
        if humming.preferred(target):
            kept = humming.integer_experts(shape, rows, inputs, bits, group, zero_points)
        weights, scales = count * rows * (inputs // pack), count * rows * (inputs // group)
        tensors.append(StoredTensor(name=f"{prefix}qweight", elements=weights, dtype="uint8", kept_bytes=kept[0]))
        tensors.append(StoredTensor(name=f"{prefix}scales", elements=scales, dtype=shape.dtype, kept_bytes=kept[1]))
        if zero_points:
            zeros = count * (rows // pack) * (inputs // group)
            tensors.append(StoredTensor(name=f"{prefix}qzeros", elements=zeros, dtype="uint8", kept_bytes=kept[2]))
    return tuple(tensors)


def _dividing_group(method: str, shape: LocalExperts, group_size: int) -> int:
    group = group_size if group_size > 0 else shape.hidden_size
    while shape.intermediate_size % group or shape.hidden_size % group:
        group //= 2
        if group < _LEAST_GROUP:
            sizes = f"{shape.hidden_size} × {shape.intermediate_size}"
            raise QuantizationError(
                method=method, problem=f"experts of {sizes} have no group of {_LEAST_GROUP} or more"
            )
    return group
