"""Four times the file takes about four times the work, counted in calls: no clock decides."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

import pytest

from vram.errors import VramError
from vram.serving.reading import servers_of

CORPUS = Path(__file__).parent / "corpus"
KINDS = sorted(
    next(file for file in sorted(folder.rglob("*.yaml")))
    for folder in CORPUS.iterdir()
    if folder.is_dir() and any(folder.rglob("*.yaml"))
)


def calls_of(path: Path, size: int) -> int:
    one = path.read_text().rstrip() + "\n---\n"
    text, calls = one * (size // len(one)), 0

    def count(_frame: object, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event == "call"

    sys.setprofile(count)
    try:
        with suppress(VramError):  # more servers than a file may have: found all the same
            servers_of(path, text)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("path", KINDS, ids=lambda path: path.parent.name)
def test_work_grows_with_the_file(path: Path) -> None:
    calls_of(path, 5_000)  # what is loaded once
    assert calls_of(path, 80_000) < 5.5 * calls_of(path, 20_000)
