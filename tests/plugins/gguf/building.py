"""Tiny GGUF files built byte by byte."""

from __future__ import annotations

import struct


def gguf_text(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def gguf_value(value: object) -> bytes:
    """A metadata value with its type: text, whole number (u32), float, list of texts or whole numbers."""
    if isinstance(value, str):
        return struct.pack("<I", 8) + gguf_text(value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, list):
        if value and isinstance(value[0], str):
            return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(gguf_text(item) for item in value)
        return struct.pack("<IIQ", 9, 4, len(value)) + b"".join(struct.pack("<I", item) for item in value)
    assert isinstance(value, int)
    return struct.pack("<II", 4, value)


def gguf_bytes(
    metadata: dict[str, object], tensors: dict[str, tuple[int, list[int], int]], *, version: int = 3, data: bytes = b""
) -> bytes:
    """A GGUF file. A tensor is its type number, sizes (innermost first) and bytes; data is zeros unless given."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        out += gguf_text(key) + gguf_value(value)
    offset = 0
    for name, (kind, sizes, nbytes) in tensors.items():
        out += gguf_text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)
        offset += -(-nbytes // 32) * 32
    out += b"\0" * (-len(out) % 32)
    return out + (data or b"\0" * offset)
