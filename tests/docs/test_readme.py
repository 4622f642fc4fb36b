"""The README's answer is what the command prints. VRAM_UPDATE_DOCS=1 writes it anew, for a person to review."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
_BLOCK = re.compile(r"(```console\n\$ (vram [^\n]+)\n)(.*?)(^```)", re.MULTILINE | re.DOTALL)


def answer(command: str) -> str:
    """What the command prints on a terminal of 96 columns, without its colours."""
    done = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": "96", "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
    )
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines()) + "\n"


def test_the_shown_answer_is_the_commands() -> None:
    text = README.read_text(encoding="utf-8")
    shown = _BLOCK.search(text)
    assert shown is not None
    printed = answer(shown[2])
    if os.environ.get("VRAM_UPDATE_DOCS"):
        README.write_text(text[: shown.start(3)] + printed + text[shown.end(3) :], encoding="utf-8")
    else:
        assert shown[3] == printed


def test_the_score_of_speed_is_the_performance_pages() -> None:
    page = (ROOT / "docs" / "explanation" / "performance.md").read_text()
    runs, median, tail = re.search(
        r"^\| output tokens/s \| (\d+) \| ([\d.]+) \| ([\d.]+) \|", page, re.MULTILINE
    ).groups()
    said = " ".join((ROOT / "README.md").read_text().split())
    assert (
        f"median factor {median} off for output tokens/s ({runs} published runs), {tail} at the 90th percentile" in said
    )


def test_the_scores_of_memory_are_the_accuracy_pages() -> None:
    """Each row of the README's two tables is one of the page's, which the commands named there print."""
    page = (ROOT / "docs" / "explanation" / "accuracy.md").read_text().splitlines()
    section = README.read_text().partition("## How exact is it")[2].partition("## How fast")[0]
    rows = [line for line in section.splitlines() if line.startswith("|") and not line.startswith("|---")]
    assert len(rows) > 6
    assert set(rows) <= set(page)
