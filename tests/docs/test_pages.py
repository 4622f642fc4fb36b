"""Every `bash` and `python` block of the documentation runs; `console` blocks show what a reader types elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
_BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def programs(page: Path) -> Iterator[tuple[str, str, str]]:
    """(name, kind, text): each bash block by itself, the page's Python blocks as one program."""
    blocks = [(k, t) for k, t in _BLOCK.findall(page.read_text(encoding="utf-8")) if not _ELSEWHERE.search(t)]
    name = str(page.relative_to(ROOT))
    for number, text in enumerate(t for k, t in blocks if k == "bash"):
        yield f"{name}:{number}", "bash", text
    python = "\n".join(t for k, t in blocks if k == "python")
    if python:
        yield f"{name}:python", "python", python


#: set-up and test commands run in CI, not inside the tests
_ELSEWHERE = re.compile(r"pip install|pytest|tests/|title=|git clone")
BLOCKS = [pytest.param(kind, text, id=name) for page in PAGES for name, kind, text in programs(page)]


@pytest.mark.parametrize(("kind", "text"), BLOCKS)
def test_a_block_runs(kind: str, text: str, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    program = [sys.executable, "-c", text] if kind == "python" else ["bash", "-euc", text]
    done = subprocess.run(
        program, capture_output=True, text=True, check=False, cwd=tmp_path, env={**os.environ, "PATH": path}
    )
    if "--check" in text and done.returncode == 1:
        return  # an answer: it does not fit
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
