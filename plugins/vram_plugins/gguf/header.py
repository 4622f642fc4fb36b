"""The header of a GGUF file (version 2 or 3): metadata and tensor descriptions, without reading a weight.

Format (github.com/ggml-org/ggml, docs/gguf.md): "GGUF", u32 version, u64 tensors, u64 keys; then the keys, each a
string, a u32 type and a value; then the tensors, each a name, u32 dimensions, u64 sizes (innermost first), u32
type and u64 offset into the data, which begins at the next multiple of `general.alignment`. All little-endian.
"""

from __future__ import annotations

import struct
from math import prod
from typing import NoReturn

from vram.errors import HeaderError
from vram.models.checkpoint import HeaderTensor
from vram.models.checkpoint_format import ReadStart
from vram.models.record import field, frozen

#: headers hold the tokenizer: 14 MB with 262,144 tokens. More than this is no model's header
MAX_HEADER_BYTES = 64 * 2**20
_FIRST_READ_BYTES = 16 * 2**20

_MAGIC = b"GGUF"
_LFS_MARK = b"version https://git-lfs.github.com/spec/"
_MAX_KEYS = 65_536
_MAX_TENSORS = 1_000_000
_MAX_DIMENSIONS = 4  # GGML_MAX_DIMS
_KEPT_ARRAY = 4096  # per-layer lists are kept, token lists only counted
_MAX_NAME = 65_535
_MAX_ALIGNMENT = 2**20
_STRING, _ARRAY = 8, 9

#: struct codes of the scalar value types (gguf.md, `gguf_metadata_value_type`)
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}

#: type number: name, elements per block, bytes per block (ggml.h `ggml_type`, gguf-py `GGML_QUANT_SIZES`)
_TYPES = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 9: ("Q8_1", 32, 40), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 15: ("Q8_K", 256, 292),
    16: ("IQ2_XXS", 256, 66), 17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50),
    20: ("IQ4_NL", 32, 18), 21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136),
    24: ("I8", 1, 1), 25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8),
    29: ("IQ1_M", 256, 56), 30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66),
    39: ("MXFP4", 32, 17), 40: ("NVFP4", 64, 36), 41: ("Q1_0", 128, 18),
}  # fmt: skip


@frozen(kw_only=True)
class GgufArray:
    """An array that was counted and not kept: the tokenizer's lists."""

    length: int


GgufValue = int | float | bool | str | tuple[int | float | bool, ...] | GgufArray


@frozen(kw_only=True, eq=False)
class GgufHeader:
    """Metadata by key, and the tensors with shapes in torch's order (outermost first)."""

    version: int
    metadata: dict[str, GgufValue] = field(repr=False)
    tensors: tuple[HeaderTensor, ...] = field(repr=False)


class _NeedMoreError(Exception):
    """The header goes on behind the bytes at hand."""


def read_growing(read: ReadStart, path: str) -> GgufHeader:
    """The header from `read(limit)`, which gives the first bytes and the file's size (None: unknown).

    Raises HeaderError.
    """
    limit = _FIRST_READ_BYTES
    while True:
        data, size = read(limit)
        try:
            return parse_header(data, size, path)
        except _NeedMoreError:
            if len(data) < limit:
                _refuse(path, f"the file ends inside it, after {len(data):,} bytes")
            if limit >= MAX_HEADER_BYTES:
                _refuse(path, f"it is longer than {MAX_HEADER_BYTES:,} bytes")
            limit = MAX_HEADER_BYTES


def parse_header(data: bytes, file_bytes: int | None, path: str) -> GgufHeader:
    """The header at the start of `data`. Raises HeaderError, and _NeedMoreError to its callers here."""
    if data.startswith(_LFS_MARK):
        _refuse(path, "it is a Git LFS pointer, not the file (run `git lfs pull` in its folder)")
    if data[:4] != _MAGIC:
        _refuse(path, "the file does not begin with 'GGUF'")
    cursor = _Cursor(data, file_bytes, path)
    version = cursor.number("<I")
    if version not in (2, 3):
        known = "big-endian" if version > 0xFFFF else f"version {version}"
        _refuse(path, f"it is {known}; versions 2 and 3, little-endian, are known")
    tensors, keys = int(cursor.number("<Q")), int(cursor.number("<Q"))
    if tensors > _MAX_TENSORS or keys > _MAX_KEYS:
        _refuse(path, f"it claims {tensors:,} tensors and {keys:,} keys")
    metadata: dict[str, GgufValue] = {}
    for _ in range(keys):
        key = cursor.text(_MAX_NAME)
        if key in metadata:
            _refuse(path, f"key {_shown(key)} is there twice")
        metadata[key] = cursor.value(int(cursor.number("<I")))
    described = [cursor.tensor() for _ in range(tensors)]
    data_start = _align(cursor.position, _alignment(metadata, path))
    # without tensors nothing need be behind the header, not even what would fill it up
    _check_layout(described, None if file_bytes is None else max(0, file_bytes - data_start), path)
    return GgufHeader(version=int(version), metadata=metadata, tensors=tuple(tensor for tensor, _ in described))


def _alignment(metadata: dict[str, GgufValue], path: str) -> int:
    value = metadata.get("general.alignment", 32)
    if not isinstance(value, int) or not 0 < value <= _MAX_ALIGNMENT or value & (value - 1):
        _refuse(path, "general.alignment is no power of two")
    return value


def _align(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment


def _check_layout(described: list[tuple[HeaderTensor, int]], data_bytes: int | None, path: str) -> None:
    """Tensors may not share a name or a byte, and must lie within the file. Raises HeaderError."""
    if len({tensor.name for tensor, _ in described}) != len(described):
        _refuse(path, "two tensors have one name")
    position = 0
    for offset, nbytes, name in sorted((offset, tensor.nbytes, tensor.name) for tensor, offset in described):
        if offset < position:
            _refuse(path, f"{_shown(name)} overlaps another tensor")
        position = offset + nbytes
    if data_bytes is not None and position > data_bytes:
        _refuse(path, f"its tensors end at byte {position:,} of the data, the file holds {data_bytes:,}")


class _Cursor:
    """Reads values one after another from the bytes at hand."""

    def __init__(self, data: bytes, file_bytes: int | None, path: str) -> None:
        self.data = data
        self.position = len(_MAGIC)
        self.path = path
        self._end = MAX_HEADER_BYTES if file_bytes is None else file_bytes

    def _need(self, count: int) -> int:
        """Moves over `count` bytes and returns where they begin."""
        begin = self.position
        if count > self._end - begin:
            _refuse(self.path, f"at byte {begin:,} it claims {count:,} bytes more than the file can hold")
        if begin + count > len(self.data):
            raise _NeedMoreError
        self.position = begin + count
        return begin

    def number(self, code: str) -> int | float | bool:
        value: int | float | bool = struct.unpack_from(code, self.data, self._need(struct.calcsize(code)))[0]
        return value

    def text(self, limit: int) -> str:
        length = int(self.number("<Q"))
        if length > limit:
            _refuse(self.path, f"at byte {self.position:,} it claims a text of {length:,} bytes")
        begin = self._need(length)
        try:
            return self.data[begin : begin + length].decode("utf-8")
        except UnicodeDecodeError:
            _refuse(self.path, f"at byte {begin:,} there is no UTF-8 text")

    def value(self, kind: int) -> GgufValue:
        if kind == _STRING:
            return self.text(MAX_HEADER_BYTES)
        if kind == _ARRAY:
            return self._array()
        if kind not in _SCALARS:
            _refuse(self.path, f"at byte {self.position:,} there is the unknown value type {kind}")
        return self.number(_SCALARS[kind])

    def _array(self) -> GgufValue:
        kind, length = int(self.number("<I")), int(self.number("<Q"))
        if kind == _STRING:
            self._skip_texts(length)
            return GgufArray(length=length)
        if kind not in _SCALARS:
            _refuse(self.path, f"at byte {self.position:,} there is an array of the unknown type {kind}")
        code = _SCALARS[kind]
        begin = self._need(length * struct.calcsize(code))
        if length > _KEPT_ARRAY:
            return GgufArray(length=length)
        return struct.unpack_from(f"<{length}{code[1]}", self.data, begin)

    def _skip_texts(self, count: int) -> None:
        """Steps over a list of texts: a quarter of a million of them, so the loop is bare."""
        if count * 8 > self._end - self.position:
            _refuse(self.path, f"at byte {self.position:,} it claims {count:,} texts")
        data, position, end, read = self.data, self.position, len(self.data), int.from_bytes
        for _ in range(count):
            position += 8 + read(data[position : position + 8], "little")
            if position > end:
                break
        self._need(position - self.position)

    def tensor(self) -> tuple[HeaderTensor, int]:
        """One tensor and its offset. Raises HeaderError on an unknown type or an impossible shape."""
        name = self.text(_MAX_NAME)
        dimensions = int(self.number("<I"))
        if dimensions > _MAX_DIMENSIONS:
            _refuse(self.path, f"{_shown(name)} has {dimensions:,} dimensions")
        sizes = [int(self.number("<Q")) for _ in range(dimensions)]
        kind, offset = int(self.number("<I")), int(self.number("<Q"))
        if kind not in _TYPES:
            _refuse(self.path, f"{_shown(name)} has the unknown type {kind}")
        dtype, block_elements, block_bytes = _TYPES[kind]
        row = sizes[0] if sizes else 1
        if row % block_elements:
            _refuse(self.path, f"{_shown(name)} has rows of {row:,}, no multiple of {dtype}'s {block_elements}")
        nbytes = prod(sizes) // block_elements * block_bytes
        if nbytes >= 2**63 or offset >= 2**63:
            _refuse(self.path, f"{_shown(name)} is larger than any file")
        return HeaderTensor(name=name, dtype=dtype, shape=tuple(reversed(sizes)), nbytes=nbytes), offset


def _shown(name: str) -> str:
    return repr(name[:80])


def _refuse(path: str, problem: str) -> NoReturn:
    raise HeaderError(path=path, problem=problem)
