"""From the bytes of a log to clean lines, whatever wrote them."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, cast

import pytest

from vram.errors import LogError
from vram_plugins.logs.reading import clean_lines, lines_of


def lines(data: bytes) -> list[str]:
    return list(lines_of(io.BytesIO(data)))


def problem(path: object) -> str:
    with pytest.raises(LogError) as error:
        list(clean_lines(path))  # type: ignore[arg-type]
    return str(error.value.data["problem"])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n", [""]),
        (b"a", ["a"]),
        (b"a\n", ["a"]),
        (b"a\r\nb\rc\nd", ["a", "b", "c", "d"]),
        (b"a\tb\x00\x07c\x7f\n", ["a\tbc"]),
        (b"\x1b[1;31mred\x1b[0m \x1b]0;title\x07x\x1b(B\n", ["red x(B"]),
        (b"\xc3\xa9\xff\n", ["\u00e9\ufffd"]),
    ],
)
def test_lines_end_as_any_system_ends_them_and_are_without_colours_and_controls(
    data: bytes, expected: list[str]
) -> None:
    assert lines(data) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_mark_tells_the_encoding_and_zeros_do_where_there_is_none(encoding: str) -> None:
    text = "\ufeff" * (encoding == "utf-16-be") + "INFO dépôt\nzwei\n"
    assert lines(text.encode(encoding)) == ["INFO dépôt", "zwei"]


@pytest.mark.parametrize(
    ("text", "wide"),
    [
        ("é2345678", True),  # eight characters are enough to tell
        ("é234567", False),
        ("é1234567жж", True),  # of ten more than seven have a second byte of zero
        ("é123456жжж", False),
        ("é1234567\0\0", True),  # of ten fewer than three have a first byte of zero
        ("é123456\0\0\0", False),
    ],
)
def test_without_a_mark_most_second_bytes_are_zero_and_few_first_ones(text: str, wide: bool) -> None:
    (found,) = lines(text.encode("utf-16-le"))
    assert (found == text.replace("\0", "")) == wide


def test_a_line_is_cut_after_65536_characters() -> None:
    assert [len(line) for line in lines(b"x" * 65_536 + b"\n" + b"y" * 65_537 + b"\nz")] == [65_536, 65_536, 1]
    assert [len(line) for line in lines(b"x" * 300_000)] == [65_536]
    assert lines(b"x" * 300_000 + b"\nb\n" + b"x" * 300_000 + b"\nd")[1::2] == ["b", "d"]


class Asked(io.BytesIO):
    """Notes how much is asked for at once."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.sizes: set[int] = set()

    def read(self, size: int | None = -1, /) -> bytes:
        self.sizes.add(size or 0)
        return super().read(size)


def test_no_more_is_read_at_once_than_the_longest_line() -> None:
    stream = Asked(b"a\n" * 100_000)
    assert sum(1 for _ in lines_of(stream)) == 100_000
    assert stream.sizes == {65_536}


def test_a_character_on_both_sides_of_a_read_is_whole() -> None:
    assert lines(b"x" * 65_535 + "é".encode() + b"\nb") == ["x" * 65_535 + "é", "b"]
    assert lines(b"ab\xc3") == ["ab\ufffd"]


class Claimed(bytes):
    """Two bytes that count as so many, since reading as many takes half a minute."""

    count = 0

    def __len__(self) -> int:
        return self.count


class Endless(io.BytesIO):
    """A pipe that gives claimed bytes in sixteen reads."""

    def __init__(self, total: int) -> None:
        super().__init__()
        self.parts = [total // 16] * 15 + [total - 15 * (total // 16)]

    def read(self, size: int | None = -1, /) -> bytes:
        chunk = Claimed(b"a\n" if self.parts else b"")
        chunk.count = self.parts.pop(0) if self.parts else 0
        return chunk


def test_a_log_has_up_to_256_mib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Endless(2**28)))
    assert len(list(clean_lines("-"))) == 16
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=Endless(2**28 + 1)))
    assert problem("-") == "is larger than 256 MiB; the part in which vLLM starts is enough"


def test_standard_input_is_read_where_a_dash_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"a\nb")))
    assert list(clean_lines("-")) == ["a", "b"]


@pytest.mark.parametrize("path", ["", "a\0b", b"a"])
def test_what_is_no_path_is_none(path: object) -> None:
    assert problem(path) == "is not a path"


def test_a_long_path_that_is_none_is_shown_by_its_beginning() -> None:
    with pytest.raises(LogError) as error:
        list(clean_lines("\0" + "a" * 200))
    assert error.value.data["path"] == "\0" + "a" * 79


def test_a_folder_a_device_and_what_is_not_there_are_told_apart(tmp_path: Path) -> None:
    assert problem(tmp_path) == "is a folder, not a log file"
    assert problem(tmp_path / "none") == "does not exist"
    assert problem("a" * 5000) == "cannot be read (file name too long)"
    if hasattr(os, "mkfifo"):
        assert problem("/dev/zero") == "is a device, not a log file"


def test_a_disk_that_is_in_blocks_is_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", lambda _: SimpleNamespace(st_mode=0o060000))
        said = problem("/dev/sda")
    assert said == "is a device, not a log file"


class Failing(io.BytesIO):
    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def read(self, size: int | None = -1, /) -> bytes:
        raise self.error


@pytest.mark.parametrize(
    ("error", "why"), [(OSError(5, "Input/output error"), "input/output error"), (OSError(), "oserror")]
)
def test_a_read_that_fails_says_why(error: OSError, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=cast("BinaryIO", Failing(error))))
    assert problem("-") == f"cannot be read ({why})"
