"""From the bytes of a log to clean lines: any size, any encoding, bounded memory. Nothing in a log is executed."""

from __future__ import annotations

import codecs
import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from vram.errors import LogError

LARGEST = 1 << 28  # bytes; a start-up is in the first thousands of a log, and a pipe may never end
LONGEST_LINE = 1 << 16  # characters; vLLM's longest line, the dump of its configuration, has 4,000 to 12,000
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;:?<=>]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)?|[@-Z\\^_])")
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BREAKS = re.compile(r"\r\n|\n|\r")  # a progress bar writes its states with carriage returns


def clean_lines(path: str | os.PathLike[str]) -> Iterator[str]:
    """The lines of a log file, or of standard input for "-": decoded, without colours, cut at 65,536 characters.

    Raises LogError when it cannot be read, is a device, which may never end, or larger than 256 MiB.
    """
    with _opened(path) as stream:
        try:
            yield from lines_of(_Counted(stream, os.fspath(path)))
        except OSError as error:
            raise LogError(path=os.fspath(path), problem=f"cannot be read ({_reason(error)})") from None


class _Counted:
    """A stream that tells when more was read of it than any log has. Raises LogError."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream, self._name, self._left = stream, name, LARGEST

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._left -= len(chunk)
        if self._left < 0:
            raise LogError(path=self._name, problem="is larger than 256 MiB; the part in which vLLM starts is enough")
        return chunk


def lines_of(stream: BinaryIO | _Counted) -> Iterator[str]:
    """As `clean_lines`, of an open binary stream."""
    first = stream.read(LONGEST_LINE)
    decoder = codecs.getincrementaldecoder(_encoding(first))(errors="replace")
    rest, cut = "", False
    chunk = first
    while chunk:
        *whole, rest = _BREAKS.split(rest + decoder.decode(chunk))
        for line in whole:
            if not cut:
                yield _clean(line)
            cut = False
        if len(rest) > LONGEST_LINE:
            if not cut:
                yield _clean(rest)
            rest, cut = "", True
        chunk = stream.read(LONGEST_LINE)
    rest += decoder.decode(b"", final=True)
    if rest and not cut:
        yield _clean(rest)


def _clean(line: str) -> str:
    line = line[:LONGEST_LINE]
    if "\x1b" in line:
        line = _ESCAPES.sub("", line)
    return _CONTROLS.sub("", line)


def _encoding(first: bytes) -> str:
    """UTF-16 with or without a mark (what a Windows shell writes), else UTF-8 with what is broken replaced."""
    for mark, name in _BYTE_ORDER_MARKS:
        if first.startswith(mark):
            return name
    half = len(first) // 2
    if half >= 8 and first[1::2].count(0) > 0.7 * half and first[::2].count(0) < 0.3 * half:
        return "utf-16-le"
    return "utf-8"


@contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    name = os.fspath(path)
    if not isinstance(name, str) or not name or "\0" in name:
        raise LogError(path=str(name)[:80], problem="is not a path")
    if name == "-":
        yield sys.stdin.buffer
        return
    try:
        mode = os.stat(name).st_mode
        if stat.S_ISDIR(mode):
            raise LogError(path=name, problem="is a folder, not a log file")
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise LogError(path=name, problem="is a device, not a log file")
        file = open(name, "rb")  # noqa: SIM115  a pipe (`<(docker logs x)`) is as good as a file
    except FileNotFoundError:
        raise LogError(path=name, problem="does not exist") from None
    except (OSError, ValueError) as error:
        raise LogError(path=name, problem=f"cannot be read ({_reason(error)})") from None
    with file:
        yield file


def _reason(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__).lower()
