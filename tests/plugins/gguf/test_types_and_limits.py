"""Every type of the format by the parts of its block, and every limit of the reader from both sides."""

from __future__ import annotations

import struct

import pytest
from tests.core.checkpoint.building import outcome

from vram.errors import HeaderError
from vram_plugins.gguf.header import GgufArray, GgufHeader, read_growing

from .building import gguf_bytes, gguf_text

#: type number: name, elements of a block, and the bytes of its parts (ggml-common.h `block_*`: scales and minima of two bytes,
#: packed quants, signs and high bits); Q8_1 as gguf-py's table has it, with both of its sums in four bytes
BLOCKS: dict[int, tuple[str, int, tuple[int, ...]]] = {
    0: ("F32", 1, (4,)), 1: ("F16", 1, (2,)), 24: ("I8", 1, (1,)), 25: ("I16", 1, (2,)), 26: ("I32", 1, (4,)), 27: ("I64", 1, (8,)),
    28: ("F64", 1, (8,)), 30: ("BF16", 1, (2,)),
    2: ("Q4_0", 32, (2, 32 // 2)), 3: ("Q4_1", 32, (2, 2, 32 // 2)), 6: ("Q5_0", 32, (2, 32 // 8, 32 // 2)),
    7: ("Q5_1", 32, (2, 2, 32 // 8, 32 // 2)), 8: ("Q8_0", 32, (2, 32)), 9: ("Q8_1", 32, (4, 4, 32)),
    10: ("Q2_K", 256, (256 // 16, 256 // 4, 2, 2)), 11: ("Q3_K", 256, (256 // 8, 256 // 4, 12, 2)),
    12: ("Q4_K", 256, (2, 2, 12, 256 // 2)), 13: ("Q5_K", 256, (2, 2, 12, 256 // 8, 256 // 2)),
    14: ("Q6_K", 256, (256 // 2, 256 // 4, 256 // 16, 2)), 15: ("Q8_K", 256, (4, 256, 2 * 256 // 16)),
    16: ("IQ2_XXS", 256, (2, 2 * 256 // 8)), 17: ("IQ2_XS", 256, (2, 2 * 256 // 8, 256 // 32)), 18: ("IQ3_XXS", 256, (2, 3 * 256 // 8)),
    19: ("IQ1_S", 256, (2, 256 // 8, 2 * 256 // 32)), 20: ("IQ4_NL", 32, (2, 32 // 2)),
    21: ("IQ3_S", 256, (2, 256 // 4, 256 // 32, 256 // 8, 256 // 64)), 22: ("IQ2_S", 256, (2, 256 // 4, 256 // 32, 256 // 32)),
    23: ("IQ4_XS", 256, (2, 2, 256 // 64, 256 // 2)), 29: ("IQ1_M", 256, (256 // 8, 256 // 16, 256 // 32)),
    34: ("TQ1_0", 256, ((256 - 4 * 256 // 64) // 5, 256 // 64, 2)), 35: ("TQ2_0", 256, (256 // 4, 2)),
    39: ("MXFP4", 32, (1, 32 // 2)), 40: ("NVFP4", 64, (64 // 16, 64 // 2)), 41: ("Q1_0", 128, (2, 128 // 8)),
}  # fmt: skip
F32, Q4_0 = 0, 2
MIB = 2**20


def read(data: bytes, size: int | None = -1) -> GgufHeader:
    return read_growing(lambda limit: (data[:limit], len(data) if size == -1 else size), "x.gguf")


def headed(tensors: int, keys: int, rest: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + rest


def key(name: str, kind: int, value: bytes) -> bytes:
    return gguf_text(name) + struct.pack("<I", kind) + value


def tensor(name: str, sizes: list[int], kind: int, offset: int) -> bytes:
    return gguf_text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def said(data: bytes, size: int | None = -1) -> str:
    return outcome(lambda: read(data, size))


@pytest.mark.parametrize(("number", "block"), BLOCKS.items(), ids=[name for name, _, _ in BLOCKS.values()])
def test_a_tensor_takes_the_parts_of_its_blocks(number: int, block: tuple[str, int, tuple[int, ...]]) -> None:
    """Three rows of five blocks; a row of one element more or fewer is none."""
    name, elements, parts = block
    found = read(gguf_bytes({}, {"t": (number, [5 * elements, 3], 15 * sum(parts))})).tensors[0]
    assert (found.dtype, found.shape, found.nbytes) == (name, (3, 5 * elements), 15 * sum(parts))
    if elements > 1:
        assert f"no multiple of {name}'s {elements}" in said(headed(1, 0, tensor("t", [elements + 1], number, 0)))


@pytest.mark.parametrize("number", [number for number in range(48) if number not in BLOCKS])
def test_a_type_that_was_removed_or_is_to_come_is_refused(number: int) -> None:
    assert f"unknown type {number}" in said(headed(1, 0, tensor("t", [256], number, 0)))


#: value type: struct code and a value that no other type of as many bytes would read the same (gguf.md)
SCALARS: dict[int, tuple[str, float | int | bool]] = {
    0: ("<B", 200), 1: ("<b", -100), 2: ("<H", 60_000), 3: ("<h", -30_000), 4: ("<I", 4_000_000_000), 5: ("<i", -2_000_000_000),
    6: ("<f", 0.5), 7: ("<?", True), 10: ("<Q", 2**63 + 5), 11: ("<q", -(2**62)), 12: ("<d", 0.1),
}  # fmt: skip


@pytest.mark.parametrize("kind", SCALARS)
def test_every_type_of_value_is_read_alone_and_in_a_list(kind: int) -> None:
    code, value = SCALARS[kind]
    one = struct.pack(code, value)
    listed = struct.pack("<IQ", kind, 3) + 3 * one
    found = read(
        headed(0, 3, key("one", kind, one) + key("three", 9, listed) + key("end", 8, gguf_text("é"))) + bytes(31)
    )
    assert found.metadata == {"one": value, "three": (value,) * 3, "end": "é"}
    assert type(found.metadata["one"]) is type(value)


def test_a_list_of_values_is_kept_up_to_4096_and_then_counted() -> None:
    def numbers(count: int) -> bytes:
        return key("k", 9, struct.pack("<IQ", 0, count) + bytes(count))

    assert read(headed(0, 1, numbers(4096)) + bytes(64)).metadata["k"] == (0,) * 4096
    assert read(headed(0, 1, numbers(4097)) + bytes(64)).metadata["k"] == GgufArray(length=4097)


@pytest.mark.parametrize(
    ("within", "beyond", "words"),
    [
        (headed(1_000_000, 0), headed(1_000_001, 0), "it claims 1,000,001 tensors and 0 keys"),
        (headed(0, 65_536), headed(0, 65_537), "it claims 0 tensors and 65,537 keys"),
        (
            headed(0, 1, struct.pack("<Q", 65_535)),
            headed(0, 1, struct.pack("<Q", 65_536)),
            "at byte 32 it claims a text of 65,536 bytes",
        ),
        (headed(1, 0, tensor("t", [2**61 - 1], F32, 0)), headed(1, 0, tensor("t", [2**61], F32, 0)), "larger than any file"),
        (headed(1, 0, tensor("t", [1], F32, 2**63 - 1)), headed(1, 0, tensor("t", [1], F32, 2**63)), "larger than any file"),
        (b"GGUF" + struct.pack("<I", 0xFFFF), b"GGUF" + struct.pack("<I", 0x10000), "it is big-endian"),
    ],
)  # fmt: skip
def test_a_claim_is_refused_from_one_more_than_any_file_has(within: bytes, beyond: bytes, words: str) -> None:
    assert words in said(beyond)
    assert (
        "more than the file can hold" in said(within)
        or "the file holds" in said(within)
        or "version 65535" in said(within)
    )


def test_a_tensor_has_up_to_four_dimensions() -> None:
    assert read(gguf_bytes({}, {"t": (F32, [2, 3, 5, 7], 4 * 210)})).tensors[0].shape == (7, 5, 3, 2)
    assert "'t' has 5 dimensions" in said(headed(1, 0, tensor("t", [1] * 5, F32, 0)))


def test_a_long_name_is_shown_by_its_first_eighty_letters() -> None:
    assert f"{'n' * 80!r} has the unknown type 255" in said(headed(1, 0, tensor("n" * 100, [1], 255, 0)))


def test_a_large_files_pointer_says_what_to_run() -> None:
    assert "run `git lfs pull`" in said(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")


@pytest.mark.parametrize("alignment", [1, 2, 4, 32, 64, 2**20])
def test_the_data_begins_at_the_next_multiple_of_the_files_own_alignment(alignment: int) -> None:
    header = headed(1, 1, key("general.alignment", 4, struct.pack("<I", alignment)) + tensor("t", [2], F32, 0))
    whole = header + bytes(-len(header) % alignment) + bytes(8)
    assert read(whole).tensors[0].nbytes == 8
    assert "end at byte 8 of the data, the file holds 7" in said(whole[:-1])


def test_without_one_the_data_begins_at_the_next_multiple_of_32() -> None:
    header = headed(1, 0, tensor("t", [2], F32, 0))
    assert len(header) % 32
    whole = header + bytes(-len(header) % 32) + bytes(8)
    assert read(whole).tensors[0].nbytes == 8
    assert "the file holds 7" in said(whole[:-1])
    assert "the file holds 0" in said(header)  # not less than nothing


@pytest.mark.parametrize("alignment", [0, 3, 2**20 + 2**19, 2**21, 2**31])
def test_no_other_alignment_is_taken(alignment: int) -> None:
    header = headed(0, 1, key("general.alignment", 4, struct.pack("<I", alignment)))
    assert "general.alignment is no power of two" in said(header + bytes(32))


def test_an_alignment_of_text_is_none() -> None:
    assert "no power of two" in said(headed(0, 1, key("general.alignment", 8, gguf_text("32"))) + bytes(32))


def test_tensors_may_touch_and_lie_apart_and_in_any_order() -> None:
    described = tensor("c", [8], F32, 96) + tensor("a", [8], F32, 0) + tensor("b", [8], F32, 32)
    header = headed(3, 0, described)
    assert [one.name for one in read(header + bytes(-len(header) % 32) + bytes(128)).tensors] == ["c", "a", "b"]


class Reads:
    """A file of unknown or known size that notes what is asked of it."""

    def __init__(self, data: bytes, size: int | None) -> None:
        self.data, self.size = data, size
        self.asked: list[int] = []

    def __call__(self, limit: int) -> tuple[bytes, int | None]:
        self.asked.append(limit)
        return self.data[:limit], self.size


@pytest.mark.parametrize("size", [None, 2**40])
def test_sixteen_mebibytes_are_asked_for_and_sixty_four_where_the_header_goes_on(size: int | None) -> None:
    small = Reads(gguf_bytes({}, {}) + bytes(MIB), size)
    read_growing(small, "x")
    long = Reads(headed(0, 1, key("k", 9, struct.pack("<IQ", 0, 16 * MIB) + bytes(16 * MIB))) + bytes(64), size)
    assert read_growing(long, "x").metadata == {"k": GgufArray(length=16 * MIB)}
    assert (small.asked, long.asked) == ([16 * MIB], [16 * MIB, 64 * MIB])


def test_a_header_of_more_than_that_is_refused_and_not_read_a_third_time() -> None:
    long = Reads(headed(0, 1, key("k", 9, struct.pack("<IQ", 0, 65 * MIB) + bytes(65 * MIB))), 2**40)
    with pytest.raises(HeaderError, match="it is longer than 67,108,864 bytes"):
        read_growing(long, "x")
    assert long.asked == [16 * MIB, 64 * MIB]


def test_of_a_file_of_unknown_size_no_claim_goes_beyond_what_is_read_at_most() -> None:
    at = len(headed(0, 1, key("k", 9, b""))) + 12
    fits = headed(0, 1, key("k", 9, struct.pack("<IQ", 0, 64 * MIB - at)))
    one_more = headed(0, 1, key("k", 9, struct.pack("<IQ", 0, 64 * MIB - at + 1)))
    assert "the file ends inside it, after" in said(fits, None)
    assert f"at byte {at} it claims {64 * MIB - at + 1:,} bytes more than the file can hold" in said(one_more, None)


def test_a_list_of_texts_may_end_with_the_file_and_no_later() -> None:
    texts = struct.pack("<IQ", 8, 3) + gguf_text("") * 3
    whole = headed(0, 1, key("k", 9, texts))
    assert read(whole + bytes(32)).metadata == {"k": GgufArray(length=3)}
    assert said(whole) == "read"
    four = headed(0, 1, key("k", 9, struct.pack("<IQ", 8, 4) + gguf_text("") * 3))
    assert "it claims 4 texts" in said(four)
    one_of_two = headed(0, 1, key("k", 9, struct.pack("<IQ", 8, 2) + gguf_text("abcdefgh")))
    assert "more than the file can hold" in said(one_of_two)
    longer = headed(0, 1, key("k", 9, struct.pack("<IQ", 8, 2) + gguf_text("abc") + struct.pack("<Q", 9) + b"abcdefgh"))
    assert "more than the file can hold" in said(longer)


def test_the_key_behind_a_list_of_texts_is_where_the_list_ends() -> None:
    texts = struct.pack("<IQ", 8, 3) + gguf_text("a") + gguf_text("") + gguf_text("bcd" * 100)
    found = read(headed(0, 2, key("k", 9, texts) + key("n", 4, struct.pack("<I", 7))) + bytes(32))
    assert found.metadata == {"k": GgufArray(length=3), "n": 7}
