"""Tiny checkpoints built byte by byte."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from math import prod
from pathlib import Path

from vram.checkpoint.safetensors_header import _BITS
from vram.errors import VramError

CONFIG = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 8, "num_hidden_layers": 1}

Tensors = dict[str, tuple[str, list[int]]]


def safetensors_bytes(tensors: Tensors, *, metadata: dict[str, str] | None = None) -> bytes:
    """A valid file: header, then zeros."""
    header: dict[str, object] = {} if metadata is None else {"__metadata__": metadata}
    position = 0
    for name, (dtype, shape) in tensors.items():
        size = prod(shape) * _BITS[dtype] // 8
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + size]}
        position += size
    return framed(json.dumps(header).encode(), b"\0" * position)


def framed(header: bytes, data: bytes = b"", *, length: int | None = None) -> bytes:
    """Length, header and data, whatever they hold."""
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def index_bytes(weight_map: dict[str, str], **metadata: int) -> bytes:
    return json.dumps({"metadata": metadata, "weight_map": weight_map}).encode()


def write(folder: Path, files: dict[str, bytes | dict[str, object]]) -> Path:
    """A folder with the given files; an object is written as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / name).write_bytes(data)
    return folder


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


def outcome(action: Callable[[], object]) -> str:
    """What became of hostile input: "read", or the sentence of the error. Any other exception is a failure."""
    try:
        action()
    except VramError as error:
        return str(error)
    return "read"
