"""What the command writes to: characters that an output does not have, and outputs that take no more."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys

#: as an output without the left ones shows them; of the rest, a question mark
_PLAIN = str.maketrans({
    "×": "x", "…": "...", "·": "-", "─": "-", "−": "-", "–": "-", "—": "-", "│": "|", "├": "|", "└": "`", "█": "#", "▄": "#",
    "▀": "#", "✗": "x", "✓": "v", "≤": "<=", "≥": ">=", "→": "->", "÷": "/", "²": "2", "❯": ">", "™": "(TM)", "®": "(R)",
})  # fmt: skip
_NAME = "vram_plain"


def prepare() -> None:
    """From here on, what an output's encoding lacks is written in plain characters."""
    codecs.register_error(_NAME, _in_plain)
    codecs.register(_plain_ascii)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            ascii_only = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_NAME if ascii_only else stream.encoding, errors=_NAME)
    if any(stream is not None and stream.isatty() for stream in (sys.stdout, sys.stderr)):
        from vram.cli.folding import fold_outputs

        fold_outputs()


def finish() -> None:
    """Write what still waits. Raises OSError where the output takes no more."""
    sys.stdout.flush()


def abandon() -> None:
    """Nothing more is written to an output that took no more, not what waits for the interpreter's end either."""
    with contextlib.suppress(OSError, ValueError):  # an output that is no file
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _in_plain(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    written = error.object[error.start : error.end].translate(_PLAIN)
    return written.encode("ascii", "replace").decode(), error.end


def _plain_ascii(name: str) -> codecs.CodecInfo | None:
    """ASCII under a name of its own: click writes UTF-8 to an output that calls itself ASCII."""
    if name != _NAME:
        return None
    known = codecs.lookup("ascii")
    return codecs.CodecInfo(
        known.encode,
        known.decode,
        incrementalencoder=known.incrementalencoder,
        incrementaldecoder=known.incrementaldecoder,
        name=_NAME,
    )
