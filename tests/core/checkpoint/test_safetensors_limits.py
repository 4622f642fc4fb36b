"""Every dtype by the number in its name, and every limit of the header's reader from both sides."""

from __future__ import annotations

import gc
import json
import re
from pathlib import Path
from typing import Any

import pytest

from vram.checkpoint import safetensors_header
from vram.checkpoint.safetensors_header import collector_paused, header_length, parse_header, read_file
from vram.errors import HeaderError

from .building import framed, outcome

#: of safetensors 0.8 (`Dtype`), which has one without a number
DTYPES = (
    "BOOL", "F4", "F6_E2M3", "F6_E3M2", "U8", "I8", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I16", "U16", "F16",
    "BF16", "I32", "U32", "F32", "C64", "F64", "I64", "U64",
)  # fmt: skip
MIB = 2**20


def read(data: bytes) -> tuple[Any, ...]:
    length = header_length(data, len(data), "x")
    return parse_header(data[8 : 8 + length], length, len(data), "x")


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


def parsed(header: bytes) -> str:
    return outcome(lambda: parse_header(header, len(header), None, "x"))


def refusal(header: object, data_bytes: int = 0) -> str:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return outcome(lambda: read(framed(text, bytes(data_bytes))))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_dtype_takes_as_many_bits_as_its_name_says(dtype: str) -> None:
    """Eight elements take as many bytes; a truth value takes one."""
    number = re.match(r"[A-Z]+(\d+)", dtype)
    nbytes = int(number[1]) if number else 8
    (found,) = read(framed(json.dumps({"a": entry(dtype, [2, 4], 0, nbytes)}).encode(), bytes(nbytes)))
    assert (found.dtype, found.shape, found.nbytes) == (dtype, (2, 4), nbytes)


def test_an_empty_header_is_a_file_without_tensors() -> None:
    assert read(framed(b"{}")) == ()


def test_a_header_of_the_most_that_the_format_allows_is_no_fault_of_its_length() -> None:
    assert header_length(framed(b"", length=100_000_000), None, "x") == 100_000_000
    with pytest.raises(HeaderError, match="claims 100,000,001 bytes"):
        header_length(framed(b"", length=100_000_001), None, "x")
    with pytest.raises(HeaderError, match="the file has 100,000,007"):
        header_length(framed(b"", length=100_000_000), 100_000_007, "x")
    assert header_length(framed(b"", length=100_000_000), 100_000_008, "x") == 100_000_000


def test_a_header_that_ends_early_is_told_by_how_much_of_it_is_there() -> None:
    with pytest.raises(HeaderError, match="cut off after 5 of 6 bytes"):
        parse_header(b'{"a":', 6, None, "x")
    assert parse_header(b"{}", 2, None, "x") == ()


def test_of_a_file_of_unknown_size_the_tensors_are_believed() -> None:
    (found,) = parse_header(text := json.dumps({"a": entry("U8", [4], 0, 4)}).encode(), len(text), None, "x")
    assert found.nbytes == 4


def test_a_pointer_of_git_lfs_says_what_to_run() -> None:
    assert "run `git lfs pull`" in outcome(
        lambda: header_length(b"version https://git-lfs.github.com/spec/v1\n", 99, "x")
    )


@pytest.mark.parametrize(
    ("shape", "offsets", "words"),
    [
        ([2**63], (0, 4), "takes 4 bytes"),
        ([2**63 + 1], (0, 4), "a shape of more than 2^63 elements"),
        ([2**62, 2], (0, 4), "takes 4 bytes"),
        ([2**63 - 1], (0, 2**63 - 1), "its tensors take 9,223,372,036,854,775,807 bytes, the file holds 0"),
        ([2**63], (0, 2**63), "impossible data_offsets"),
        ([4], (0, "4"), "impossible data_offsets"),
        ([4], (None, 4), "impossible data_offsets"),
    ],
)
def test_sizes_and_offsets_are_below_two_to_the_63(shape: list[int], offsets: tuple[Any, Any], words: str) -> None:
    assert words in refusal({"a": entry("U8", shape, *offsets)})


def test_what_lies_apart_from_the_first_byte_is_not_counted_from_it() -> None:
    header = {"a": entry("U8", [4], 0, 4), "b": entry("U8", [2], 4, 7)}
    assert "'b' is U8 [2] but takes 3 bytes" in refusal(header, 7)


def test_a_hole_is_told_by_its_bytes_and_an_overlap_is_none() -> None:
    for begin, said in ((5, "'b' leaves a hole of 1 bytes"), (3, "'b' overlaps another tensor")):
        header = {"b": entry("U8", [4], begin, begin + 4), "a": entry("U8", [4], 0, 4)}
        assert said in refusal(header, begin + 4)


def test_an_empty_tensor_between_others_is_in_its_place_and_nowhere_else() -> None:
    whole = {"a": entry("U8", [4], 0, 4), "none": entry("U8", [0, 3], 4, 4), "b": entry("U8", [4], 4, 8)}
    assert [one.nbytes for one in read(framed(json.dumps(whole).encode(), bytes(8)))] == [4, 0, 4]
    inside = {"a": entry("U8", [4], 0, 4), "none": entry("U8", [0], 2, 2)}
    assert "'none' overlaps another tensor" in refusal(inside, 4) or "'a' overlaps another tensor" in refusal(inside, 4)


@pytest.mark.parametrize(("first", "second"), [([0, 4], [False, 4]), ([1, 4], [True, 4])])
def test_a_truth_value_is_no_number_though_python_counts_it_as_one(first: list[int], second: list[int]) -> None:
    size = first[0] * 4
    header = {"a": entry("U8", first, 0, size), "b": entry("U8", second, size, 2 * size)}
    assert "'b' has an impossible shape" in refusal(header, 2 * size)


@pytest.mark.parametrize("shape", ["", {}])
def test_what_is_empty_and_no_list_is_no_scalars_shape(shape: Any) -> None:
    header = {"a": entry("U8", [], 0, 1), "b": entry("U8", shape, 1, 2)}
    assert "'b' has a shape that is no list" in refusal(header, 2)


def test_the_key_that_is_there_twice_is_named() -> None:
    text = ",".join(f'"{name}":{json.dumps(entry("U8", [0], 0, 0))}' for name in ("a", "b", "c", "b", "d"))
    assert "'b' is there twice" in refusal(f"{{{text}}}".encode())


def test_equal_shapes_of_other_dtypes_are_other_sizes() -> None:
    header = {"a": entry("U8", [4], 0, 4), "b": entry("BF16", [4], 4, 12), "c": entry("U8", [4], 12, 16)}
    assert [one.nbytes for one in read(framed(json.dumps(header).encode(), bytes(16)))] == [4, 8, 4]


def test_long_names_and_shapes_are_shown_by_their_beginnings() -> None:
    shape = [2, 1, 1, 1, 1, 1, 1, 3, 5, 7]
    begun = f"{'n' * 80!r} is {{}} [2, 1, 1, 1, 1, 1, 1, 3]"
    assert begun.format("U8") + " but takes 4 bytes" in refusal({"n" * 100: entry("U8", shape, 0, 4)})
    odd = [1, *shape[1:]]
    assert "is F4 [1, 1, 1, 1, 1, 1, 1, 3], which ends inside a byte" in refusal({"n": entry("F4", odd, 0, 4)})
    assert f"the unknown dtype {'D' * 20!r}" in refusal({"n": entry("D" * 30, [1], 0, 1)})


def test_two_offsets_are_a_pair_of_a_list() -> None:
    assert "data_offsets that are no pair" in refusal({"a": {"dtype": "U8", "shape": [4], "data_offsets": [4]}})
    assert "data_offsets that are no pair" in refusal({"a": {"dtype": "U8", "shape": [4], "data_offsets": {"a": 0}}})
    assert "data_offsets that are no pair" in refusal({"a": {"dtype": "U8", "shape": [4], "data_offsets": 5}})
    assert "an impossible dtype or shape" in refusal({"a": {"dtype": "U8", "shape": 4, "data_offsets": [0, 4]}})


@pytest.mark.parametrize("metadata", [{"a": "b"}, {}, {"a": "b", "c": "d"}])
def test_metadata_is_text_by_text_and_no_tensor(metadata: dict[str, str]) -> None:
    assert read(framed(json.dumps({"__metadata__": metadata}).encode())) == ()


@pytest.mark.parametrize(
    ("name", "metadata", "times"),
    [("a", None, 1), ("a", {"k": "v"}, 1), ("a", {"k": "v", "l": "w"}, 1), ("a:b", None, 2), ("a", {"k": "v:w"}, 2)],
)
def test_keys_are_compared_one_by_one_where_colons_are_in_texts_alone(
    name: str, metadata: dict[str, str] | None, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telling them apart takes a second look at the whole header."""
    header = ({} if metadata is None else {"__metadata__": metadata}) | {name: entry("U8", [4], 0, 4)}
    data, looks, loads = framed(json.dumps(header).encode(), bytes(4)), [], json.loads
    monkeypatch.setattr(safetensors_header.json, "loads", lambda *args, **more: looks.append(1) or loads(*args, **more))
    assert len(read(data)) == 1
    assert len(looks) == times


def test_a_header_up_to_128_kib_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    read_prefix = safetensors_header.read_prefix
    monkeypatch.setattr(
        safetensors_header, "read_prefix", lambda path, limit: asked.append(limit) or read_prefix(path, limit)
    )
    for length in (128 * 1024, 128 * 1024 + 1):
        file = tmp_path / f"{length}.safetensors"
        file.write_bytes(framed(b"{}" + b" " * (length - 2)))
        assert read_file(str(file)) == ()
    assert asked == [8 + 128 * 1024, 8 + 128 * 1024, 8 + 128 * 1024 + 1]


#: a tensor has one object and two lists in 50 bytes at least: of 8 MiB and more no header has one object in 40 bytes, one list in 20, or a
#: comma in 5
@pytest.mark.parametrize(("sign", "bytes_each"), [(b"{", 40), (b"[", 20), (b",", 5)])
def test_a_large_header_denser_than_tensors_can_be_is_not_unpacked(sign: bytes, bytes_each: int) -> None:
    def header(length: int, signs: int) -> bytes:
        begun = b"{" + sign * (signs - (sign == b"{"))
        return begun + b" " * (length - len(begun))

    length = 9 * MIB - 9 * MIB % bytes_each
    dense = "more values than its tensors could need"
    assert dense in parsed(header(length, length // bytes_each + 1))
    assert dense not in parsed(header(length, length // bytes_each))


def test_of_up_to_8_mib_any_density_is_unpacked() -> None:
    for length, dense in ((8 * MIB, False), (8 * MIB + 1, True)):
        assert ("more values" in parsed(b"{" + b"," * (length - 1))) == dense


def test_a_million_objects_are_no_fault_of_their_number() -> None:
    for objects, too_many in ((1_000_000, False), (1_000_001, True)):
        said = parsed(b"{" * objects + b" " * (40 * objects))
        assert ("names more than 1,000,000 tensors" in said) == too_many


@pytest.mark.parametrize("collects", [True, False])
def test_the_collector_rests_meanwhile_and_is_as_before_afterwards(collects: bool) -> None:
    before = gc.isenabled()
    (gc.enable if collects else gc.disable)()
    try:
        with collector_paused():
            assert not gc.isenabled()
        assert gc.isenabled() == collects
        with pytest.raises(ValueError, match="x"), collector_paused():
            raise ValueError("x")
        assert gc.isenabled() == collects
    finally:
        (gc.enable if before else gc.disable)()
