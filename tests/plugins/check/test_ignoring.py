"""Patterns mean what they mean in .gitignore; expected values are git's own (`git check-ignore`)."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest

from vram_plugins.check.ignoring import is_left_out, rules_in

PATHS = ("a.yaml", "b/a.yaml", "b/c/a.yaml", "b/c/d/a.txt", "docs/x.md", "b/docs/x.md", "#x", "!x", "a b", "ab.yaml")
PATTERNS = (
    "*.yaml", "/a.yaml", "b/", "b/c", "/b/*", "**/a.yaml", "b/**", "b/**/a.yaml", "docs/", "/docs", "docs/*.md", "?.yaml", "[ab].yaml",
    "[!a].yaml", "\\#x", "\\!x", "a b", "c/", "**/c/**", "*", "a?", "a.*",
)  # fmt: skip


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
@pytest.mark.parametrize("pattern", PATTERNS)
def test_one_pattern_means_the_same_as_to_git(tmp_path: Path, pattern: str) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text(pattern + "\n")
    asked = "\0".join(PATHS)
    done = subprocess.run(
        ["git", "-C", tmp_path, "check-ignore", "--no-index", "-z", "--stdin"], input=asked, capture_output=True, text=True, check=False
    )  # fmt: skip
    ignored = set(done.stdout.split("\0")) - {""}
    assert {path for path in PATHS if left_out(pattern, path)} == ignored


def left_out(pattern: str, path: str) -> bool:
    """As the walk asks: folder by folder, and no deeper where one is left out."""
    rules, parts = rules_in([pattern]), path.split("/")
    return any(is_left_out(rules, parts[: n + 1], folder=n + 1 < len(parts)) for n in range(len(parts)))


def test_a_hostile_pattern_takes_no_time() -> None:
    rules = rules_in(["*a" * 200, "/".join(["**", "a*"] * 60), "[" * 400])
    start = time.process_time()
    for _ in range(20):
        is_left_out(rules, ["a" * 200] * 60, folder=False)
    assert time.process_time() - start < 1
