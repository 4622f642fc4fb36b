"""Number formats and their widths."""

from __future__ import annotations

from vram.errors import UnknownNameError

#: bits per element; torch's and safetensors' names
_BITS = {
    "float64": 64, "float32": 32, "float16": 16, "bfloat16": 16, "float8_e4m3fn": 8, "float8_e5m2": 8,
    "float8_e8m0fnu": 8, "float4_e2m1fn_x2": 8, "int64": 64, "int32": 32, "int16": 16, "int8": 8, "uint8": 8,
    "uint16": 16, "uint32": 32, "uint64": 64, "bool": 8, "int4": 4, "complex64": 64,
}  # fmt: skip

_ALIASES = {
    "half": "float16", "float": "float32", "fp16": "float16", "f16": "float16", "f32": "float32",
    "bf16": "bfloat16", "fp32": "float32",
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu", "I64": "int64", "I32": "int32", "I16": "int16",
    "I8": "int8", "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "BOOL": "bool", "C64": "complex64",
}  # fmt: skip


def is_torch_dtype(name: str) -> bool:
    """Whether torch has a dtype of that very name, "half" and "double" among them."""
    return name in _BITS or name in {"half", "float", "double"}


def canonical_dtype(name: str) -> str:
    """torch's name of a dtype given by any usual name ("bf16", "torch.bfloat16", "BF16", "half").

    Raises UnknownNameError.
    """
    bare = name.removeprefix("torch.")
    known = _ALIASES.get(bare, bare)
    if known not in _BITS:
        raise UnknownNameError(kind="dtype", name=name, known=tuple(_BITS))
    return known


def dtype_bits(name: str) -> int:
    """Bits per element. Raises UnknownNameError."""
    try:
        return _BITS[name]
    except KeyError:
        return _BITS[canonical_dtype(name)]


def dtype_bytes(name: str) -> int:
    """Whole bytes per element of a byte-wide or wider dtype. Raises UnknownNameError."""
    return dtype_bits(name) // 8
