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


def outcome(action: Callable[[], object]) -> str:
    """What became of hostile input: "read", or the sentence of the error. Any other exception is a failure."""
    try:
        action()
    except VramError as error:
        return str(error)
    return "read"
