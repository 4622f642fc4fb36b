"""The header of a safetensors file: names, dtypes, shapes and offsets, without reading a weight.

Format (github.com/huggingface/safetensors, README "Format"): 8 bytes, little-endian unsigned, the header's
length N; N bytes of UTF-8 JSON that begins with "{" and may be padded with spaces; then the data. Each entry but
`__metadata__` is {"dtype", "shape", "data_offsets": [begin, end]} relative to the data; duplicate keys are
disallowed; the data must be indexed without holes and to its end; the reference reader caps N at 100 MB.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from vram.checkpoint.files import LFS_MARK, read_prefix
from vram.errors import HeaderError
from vram.models.checkpoint import HeaderTensor

#: MAX_HEADER_SIZE of the reference reader (safetensors/src/tensor.rs)
MAX_HEADER_BYTES = 100_000_000
LENGTH_BYTES = 8
#: what is read at first: most headers of sharded models are below 100 KB
FIRST_READ_BYTES = 128 * 2**10

#: bits per element (safetensors 0.8, `Dtype`)
_BITS = {
    "BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8,
    "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "C64": 64, "F64": 64, "I64": 64, "U64": 64,
}  # fmt: skip

_METADATA = "__metadata__"
_FIELDS = 3
_DENSITY_FROM_BYTES = 8 * 2**20
_MAX_TENSORS = 1_000_000
_MAX_BYTES = 2**63


def read_file(path: str) -> tuple[HeaderTensor, ...]:
    """The tensors of a local file, in the order of its header. Raises HeaderError, CheckpointError."""
    data, size = read_prefix(path, LENGTH_BYTES + FIRST_READ_BYTES)
    length = header_length(data, size, path)
    if LENGTH_BYTES + length > len(data):
        data, size = read_prefix(path, LENGTH_BYTES + length)
    return parse_header(data[LENGTH_BYTES : LENGTH_BYTES + length], length, size, path)


def header_length(start: bytes, file_bytes: int | None, path: str) -> int:
    """The header's length from the file's first bytes. `file_bytes` None: unknown. Raises HeaderError."""
    if start.startswith(LFS_MARK):
        _refuse(path, "it is a Git LFS pointer, not the file (run `git lfs pull` in its folder)")
    if len(start) < LENGTH_BYTES:
        _refuse(path, f"the file ends after {len(start)} bytes")
    length = int.from_bytes(start[:LENGTH_BYTES], "little")
    if length > MAX_HEADER_BYTES:
        _refuse(path, f"it claims {length:,} bytes, the format allows {MAX_HEADER_BYTES:,}")
    if file_bytes is not None and LENGTH_BYTES + length > file_bytes:
        _refuse(path, f"it claims {length:,} bytes, the file has {file_bytes:,}")
    if length < len(b"{}"):
        _refuse(path, f"it claims {length} bytes")
    return length


def parse_header(header: bytes, length: int, file_bytes: int | None, path: str) -> tuple[HeaderTensor, ...]:
    """The tensors of a header of `length` bytes. `file_bytes` None: the file's size is unknown.

    Everything the format states is checked, so that the sum of the tensors is the size of the data. Time and
    memory are linear in the header's length. Raises HeaderError.
    """
    if len(header) < length:
        _refuse(path, f"it is cut off after {len(header):,} of {length:,} bytes")
    with collector_paused():
        entries = _parse_json(header, path)
        metadata = entries.pop(_METADATA, None)
        _check_metadata(metadata, path)
        _check_duplicates(header, entries, metadata, path)
        tensors = tuple(_tensors(entries, path))
        total = _check_layout(entries, path)
        del entries
    if file_bytes is not None and LENGTH_BYTES + length + total != file_bytes:
        held = file_bytes - LENGTH_BYTES - length
        _refuse(path, f"its tensors take {total:,} bytes, the file holds {held:,}")
    return tensors


@contextmanager
def collector_paused() -> Iterator[None]:
    """No garbage collection inside: 90,000 small dicts, none of it garbage, would be walked a hundred times."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _parse_json(header: bytes, path: str) -> dict[str, Any]:
    if header[:1] != b"{":
        _refuse(path, "it does not begin with '{'")
    objects = header.count(b"{")
    if objects > _MAX_TENSORS:
        _refuse(path, f"it names more than {_MAX_TENSORS:,} tensors")
    if len(header) > _DENSITY_FROM_BYTES and _is_too_dense(header, objects):
        _refuse(path, "it holds more values than its tensors could need")
    try:
        text = header.decode("utf-8")
        entries = json.loads(text, parse_constant=_refuse_number, parse_float=_refuse_number)
        if "\\u" in text:
            "".join(entries).encode("utf-8")  # half a surrogate pair is no text
    except UnicodeError:
        _refuse(path, "it is not UTF-8 text")
    except json.JSONDecodeError as error:
        _refuse(path, f"it is not JSON ({error.msg} at byte {error.pos:,})")
    except RecursionError:
        _refuse(path, "it is nested too deeply")
    except ValueError:
        _refuse(path, "it holds a number that is no integer")
    if not isinstance(entries, dict):
        _refuse(path, "it is no JSON object")
    return entries


def _is_too_dense(header: bytes, objects: int) -> bool:
    """Whether a huge header is made of brackets or commas: Python's objects take 20 to 40 times their text.

    A tensor has one object, two lists, and no less than 50 bytes.
    """
    return objects * 40 > len(header) or header.count(b"[") * 20 > len(header) or header.count(b",") * 5 > len(header)


def _check_metadata(metadata: object, path: str) -> None:
    if metadata is None:
        return
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _refuse(path, "its __metadata__ is not a map from text to text")


def _check_duplicates(header: bytes, entries: dict[str, Any], metadata: dict[str, str] | None, path: str) -> None:
    """Every key-value pair has one colon outside strings, and every colon is counted: equal means no duplicates."""
    pairs = len(entries) * (1 + _FIELDS) + (0 if metadata is None else 1 + len(metadata))
    if header.count(b":") == pairs:
        return
    json.loads(header, object_pairs_hook=lambda pairs: _unique(pairs, path))  # slow, exact: colons inside names


def _unique(pairs: list[tuple[str, object]], path: str) -> dict[str, object]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        _refuse_tensor(path, twice, "is there twice")
    return result


def _tensors(entries: dict[str, Any], path: str) -> Iterator[HeaderTensor]:
    """Each entry checked: its fields, its offsets, and dtype times shape. Equal shapes are one tuple.

    What was checked once for a (dtype, shape) is remembered: a mixture of experts has ten in 90,000 tensors.
    """
    sizes: dict[tuple[str, tuple[int, ...]], tuple[int, tuple[int, ...]]] = {}
    for name, entry in entries.items():
        try:
            dtype, listed, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            shape = tuple(listed)
            known = sizes.get((dtype, shape))
        except (KeyError, TypeError, ValueError):
            _refuse_entry(name, entry, path)
        if known is None or type(listed) is not list or True in shape or False in shape:
            known = _checked_size(name, dtype, listed, path), shape
            sizes[dtype, shape] = known
        if type(begin) is not int or type(end) is not int or not 0 <= begin <= end < _MAX_BYTES:
            _refuse_tensor(path, name, "has impossible data_offsets")
        if end - begin != known[0]:
            _refuse_tensor(path, name, f"is {dtype} {listed[:8]} but takes {end - begin:,} bytes")
        yield HeaderTensor(name=name, dtype=dtype, shape=known[1], nbytes=known[0])


def _checked_size(name: str, dtype: object, shape: object, path: str) -> int:
    """Bytes of a tensor. Raises HeaderError for an unknown dtype, an impossible shape, or a broken last byte."""
    bits = _BITS.get(dtype) if isinstance(dtype, str) else None
    if bits is None:
        _refuse_tensor(path, name, f"has the unknown dtype {str(dtype)[:20]!r}")
    if type(shape) is not list:
        _refuse_tensor(path, name, "has a shape that is no list")
    elements = 1
    for size in shape:
        if type(size) is not int or size < 0:
            _refuse_tensor(path, name, "has an impossible shape")
        elements *= size
        if elements > _MAX_BYTES:
            _refuse_tensor(path, name, "has a shape of more than 2^63 elements")
    if elements * bits % 8:
        _refuse_tensor(path, name, f"is {dtype} {shape[:8]}, which ends inside a byte")
    return elements * bits // 8


def _refuse_entry(name: str, entry: object, path: str) -> NoReturn:
    if not isinstance(entry, dict):
        _refuse_tensor(path, name, "is not dtype, shape and data_offsets")
    missing = [field for field in ("dtype", "shape", "data_offsets") if field not in entry]
    if missing:
        _refuse_tensor(path, name, f"has no {missing[0]}")
    offsets = entry["data_offsets"]
    if not isinstance(offsets, list) or len(offsets) != len(("begin", "end")):
        _refuse_tensor(path, name, "has data_offsets that are no pair")
    _refuse_tensor(path, name, "has an impossible dtype or shape")


def _check_layout(entries: dict[str, Any], path: str) -> int:
    """The end of the last tensor, after checking that they follow each other from 0. Raises HeaderError."""
    offsets = [entry["data_offsets"] for entry in entries.values()]
    position = 0
    for begin, end in offsets:
        if begin != position:
            break
        position = end
    else:
        return position
    # the usual order is by offset; otherwise sort, empty tensors before the one that begins where they lie
    names = list(entries)
    position = 0
    for begin, end, index in sorted((begin, end, index) for index, (begin, end) in enumerate(offsets)):
        if begin != position:
            fault = "overlaps another tensor" if begin < position else f"leaves a hole of {begin - position:,} bytes"
            _refuse_tensor(path, names[index], fault)
        position = end
    return position


def _refuse_number(name: str) -> NoReturn:
    raise ValueError(name)


def _refuse_tensor(path: str, name: str, problem: str) -> NoReturn:
    _refuse(path, f"{name[:80]!r} {problem}")


def _refuse(path: str, problem: str) -> NoReturn:
    raise HeaderError(path=path, problem=problem)
