"""The safetensors header reader: what the format allows is read, everything else is one sentence in bounded time."""

from __future__ import annotations

import json
import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vram.checkpoint.safetensors_header import MAX_HEADER_BYTES, header_length, parse_header, read_file
from vram.errors import HeaderError

from .building import framed, outcome, safetensors_bytes


def read(data: bytes) -> tuple[object, ...]:
    length = header_length(data, len(data), "x")
    return parse_header(data[8 : 8 + length], length, len(data), "x")


def entry(dtype: str = "U8", shape: object = (4,), offsets: object = (0, 4)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def with_header(header: object, data_bytes: int = 4) -> bytes:
    return framed(json.dumps(header).encode(), b"\0" * data_bytes)


def test_names_dtypes_shapes_and_bytes_are_read(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(safetensors_bytes({"a": ("BF16", [3, 2]), "b": ("F4", [8])}, metadata={"format": "pt"}))

    first, second = read_file(str(file))

    assert (first.name, first.dtype, first.shape, first.nbytes) == ("a", "BF16", (3, 2), 12)  # 6 × 2 bytes
    assert (second.name, second.nbytes) == ("b", 4)  # 8 × 4 bits


def test_a_header_longer_than_the_first_read_is_read_whole(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(safetensors_bytes({f"model.layers.{n}.weight": ("F16", [1]) for n in range(5000)}))

    assert len(read_file(str(file))) == 5000


def test_tensors_in_any_order_and_of_no_elements_are_read() -> None:
    header = {"b": entry(offsets=(4, 8)), "empty": entry(shape=(0,), offsets=(4, 4)), "a": entry(offsets=(0, 4))}

    assert len(read(with_header(header, 8))) == 3


def test_a_scalar_has_one_element() -> None:
    assert len(read(with_header({"a": entry(shape=(), offsets=(0, 1))}, 1))) == 1


def test_spaces_after_the_header_are_padding() -> None:
    assert read(framed(b"{}      ")) == ()


def test_further_fields_of_a_tensor_are_ignored_as_the_reference_reader_does() -> None:
    assert len(read(with_header({"a": entry() | {"note": 1}}))) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "ends after 0 bytes"),
        (framed(b"{}", length=2**63), "claims 9,223,372,036,854,775,808 bytes, the format allows 100,000,000"),
        (framed(b"{}", length=2**64 - 1), "the format allows"),
        (framed(b"{}", length=50), "claims 50 bytes, the file has 10"),
        (framed(b"", length=0), "claims 0 bytes"),
        (framed(b"[]"), "does not begin with"),
        (framed(b" {}"), "does not begin with"),
        (framed(b"{"), "claims 1 bytes"),
        (framed(b'{"a"'), "not JSON"),
        (framed(b'{"a":' + b"[" * 60_000), "nested too deeply"),
        (framed(b'{"\xff":1}'), "not UTF-8"),
        (framed(b'{"\\ud800":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}', b"\0"), "not UTF-8"),
        (framed(b'{"a":{"dtype":"U8","shape":[NaN],"data_offsets":[0,1]}}'), "no integer"),
        (framed(b'{"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}}'), "no integer"),
        (framed(b'{"a":{"dtype":"U8","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,1]}}'), "no integer"),
        (framed(b"{\0}\0"), "not JSON"),  # would be UTF-16 to a lenient reader
    ],
)
def test_a_broken_frame_or_text_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(HeaderError, match=words):
        read(data)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ({"a": 5}, "is not dtype, shape and data_offsets"),
        ({"a": {}}, "has no dtype"),
        ({"a": {"dtype": "U8", "shape": [4], "offsets": [0, 4]}}, "has no data_offsets"),
        ({"a": entry(offsets=(0, 4, 8))}, "no pair"),
        ({"a": entry(offsets="04")}, "impossible data_offsets"),
        ({"a": entry(dtype="U7")}, "unknown dtype 'U7'"),
        ({"a": entry(dtype=["U8"])}, "impossible dtype"),  # type: ignore[arg-type]
        ({"a": entry(shape="4")}, "no list"),
        ({"a": entry(shape=(-4,))}, "impossible shape"),
        ({"a": entry(shape=(True, 4))}, "impossible shape"),
        ({"a": entry(shape=(2**40, 2**40))}, r"more than 2\^63"),
        ({"a": entry(shape=((),))}, "impossible dtype or shape"),
        ({"a": entry(offsets=(0, 5))}, "takes 5 bytes"),
        ({"a": entry(offsets=(4, 0))}, "impossible data_offsets"),
        ({"a": entry(offsets=(-4, 0))}, "impossible data_offsets"),
        ({"a": entry(offsets=(2**63, 2**63 + 4))}, "impossible data_offsets"),
        ({"a": entry(offsets=(False, 4))}, "impossible data_offsets"),
        ({"a": entry(dtype="F4", shape=(3,), offsets=(0, 1))}, "ends inside a byte"),
        ({"a": entry(), "b": entry(offsets=(2, 6))}, "'b' overlaps"),
        ({"a": entry(), "b": entry(offsets=(6, 10))}, "'b' leaves a hole of 2 bytes"),
        ({"a": entry(offsets=(4, 8))}, "'a' leaves a hole of 4 bytes"),
        ({"a": entry(), "b": entry(offsets=(4, 8))}, "take 8 bytes, the file holds 4"),
        ({}, "take 0 bytes, the file holds 4"),
        ({"__metadata__": {"a": 1}, "a": entry()}, "__metadata__"),
        ({"__metadata__": [], "a": entry()}, "__metadata__"),
    ],
)
def test_what_the_format_forbids_is_refused(header: dict[str, object], words: str) -> None:
    with pytest.raises(HeaderError, match=words):
        read(with_header(header))


@pytest.mark.parametrize(
    "text",
    [
        '{"a":%s,"a":%s}',
        '{"a:b":%s,"a:b":%s}',  # a colon in the name takes the slow, exact way
        '{"a":%s,"\\u0061":%s}',
        '{"__metadata__":{"k":"v","k":"w"},"a":%s}',
        '{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}',
    ],
)
def test_a_key_given_twice_is_refused(text: str) -> None:
    header = text.replace("%s", json.dumps(entry()))

    with pytest.raises(HeaderError, match="is there twice"):
        read(framed(header.encode(), b"\0" * 4))


def test_a_shape_equal_to_a_checked_one_but_not_of_integers_is_refused() -> None:
    header = {"a": entry(shape=(1, 4)), "b": entry(shape=(True, 4), offsets=(4, 8))}

    with pytest.raises(HeaderError, match="'b' has an impossible shape"):
        read(with_header(header, 8))


@pytest.mark.parametrize(
    "header",
    [
        b"{" + b'"":{},' * 10_000_000 + b'"":{}}',
        b'{"a":[' + b"[]," * 20_000_000 + b"[]]}",
        b'{"a":[' + b"1," * 40_000_000 + b"1]}",
        b"{" * 90_000_000,
    ],
    ids=["objects", "lists", "numbers", "depth"],
)
def test_a_header_like_a_bomb_is_refused_before_it_is_unpacked(header: bytes) -> None:
    """Up to 90 MB of brackets: under a second and not twice its own size, where parsing takes gigabytes."""
    tracemalloc.start()
    begin = time.perf_counter()

    with pytest.raises(HeaderError):
        parse_header(header, len(header), None, "x")

    seconds, peak = time.perf_counter() - begin, tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert seconds < 5
    assert peak < MAX_HEADER_BYTES


def test_a_broken_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "model.safetensors"
    file.write_bytes(framed(b"{}", length=99))

    with pytest.raises(HeaderError) as caught:
        read_file(str(file))

    assert str(caught.value) == (
        f"{file}: broken header: it claims 99 bytes, the file has 10. "
        "Download the file again, or give the folder's config.json alone."
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert outcome(lambda: read(data))


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["U8", "F4", "BF16"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["dtype", "shape", "data_offsets", "a", "__metadata__"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.text(max_size=5), _json, max_size=4), st.integers(0, 40))
def test_any_json_header_is_read_or_refused(header: dict[str, object], data_bytes: int) -> None:
    text = json.dumps(header).encode("utf-8", "surrogatepass")

    assert outcome(lambda: read(framed(text, b"\0" * data_bytes)))


_tensors = st.dictionaries(
    st.text(min_size=1, max_size=8, alphabet=st.characters(codec="utf-8")).filter(lambda name: name != "__metadata__"),
    st.tuples(st.sampled_from(["U8", "BF16", "F32", "I64", "F8_E4M3"]), st.lists(st.integers(0, 5), max_size=3)),
    max_size=6,
)


@given(_tensors)
def test_every_valid_header_is_read_to_the_byte(tensors: dict[str, tuple[str, list[int]]]) -> None:
    data = safetensors_bytes(tensors)

    found = read(data)

    assert [tensor.name for tensor in found] == list(tensors)  # type: ignore[attr-defined]
    assert 8 + int.from_bytes(data[:8], "little") + sum(tensor.nbytes for tensor in found) == len(data)  # type: ignore[attr-defined]
