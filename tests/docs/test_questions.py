"""The page of questions: each command of its table runs and answers, without the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "how-to" / "questions.md"
_ROW = re.compile(r"^\| (?P<question>[^|]+) \| (?P<threads>[^|]+) \| `(?P<command>vram [^`]+)` \|$", re.MULTILINE)
ROWS = [(row["question"], row["command"]) for row in _ROW.finditer(PAGE.read_text(encoding="utf-8"))]


def test_every_line_of_the_table_is_a_question_with_a_thread_and_a_command() -> None:
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert len(lines) == len(ROWS) + 1, "a line that is no question, thread and command"
    assert len({question for question, _ in ROWS}) == len(ROWS)


@pytest.mark.parametrize("command", [command for _, command in ROWS])
def test_the_command_answers(command: str, tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    offline = {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "HF_ENDPOINT": "http://127.0.0.1:9"}
    done = subprocess.run(
        ["bash", "-euc", command], capture_output=True, text=True, check=False, cwd=tmp_path, env=offline
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert done.stdout.strip()
