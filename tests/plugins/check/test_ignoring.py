"""Patterns mean what they mean in .gitignore; expected values are git's own (`git check-ignore`)."""

from __future__ import annotations

import random
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from vram_plugins.check.ignoring import Rule, is_left_out, rules_in

PATHS = (
    "a.yaml",
    "b/a.yaml",
    "b/c/a.yaml",
    "b/c/d/a.txt",
    "docs/x.md",
    "b/docs/x.md",
    "#x",
    "!x",
    "a b",
    "ab.yaml",
    "*",
    "b/*",
    "?",
    "[ab]",
    "^",
    "a ",
)
PATTERNS = (
    "*.yaml", "/a.yaml", "b/", "b/c", "/b/*", "**/a.yaml", "b/**", "b/**/a.yaml", "docs/", "/docs", "docs/*.md", "?.yaml", "[ab].yaml",
    "[!a].yaml", "\\#x", "\\!x", "a b", "c/", "**/c/**", "*", "a?", "a.*",
    "\\*", "b/\\*", "\\?", "\\[ab]", "[^ab]", "[\\^]", "\\a\\ b", "a\\ ", "a ", "b/**/", "b/**/**", "**",
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
    assert {path for path in PATHS if left_out(rules_in([pattern]), path)} == ignored


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_files_of_patterns_put_together_at_random_mean_the_same_as_to_git(tmp_path: Path) -> None:
    """Folders with a file of rules each, some with another one below, asked about in one go."""
    chance = random.Random(18)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    names = ("a", "b", "ab", "a.b", "c", "#a", "!a", "a b", "*", "a ", "x[b")
    folders = [chance.choices((*names, "below"), k=chance.randint(0, 3)) for _ in range(40)]
    paths = ["/".join((*above, chance.choice(names))) for above in folders]
    expected: set[str] = set()
    asked: list[str] = []
    for number in range(120):
        folder = f"d{number}"
        above, below = [pattern(chance) for _ in range(chance.randint(1, 6))], [pattern(chance)]
        (tmp_path / folder / "below").mkdir(parents=True)
        (tmp_path / folder / ".gitignore").write_text("\n".join(above))
        (tmp_path / folder / "below" / ".gitignore").write_text("\n".join(below) + "\n")
        rules = (*rules_in(above, (folder,)), *rules_in(below, (folder, "below")))
        for path in paths:
            asked.append(f"{folder}/{path}")
            expected |= {asked[-1]} if left_out(rules, asked[-1]) else set()
    done = subprocess.run(
        ["git", "-C", tmp_path, "check-ignore", "--no-index", "-z", "--stdin"],
        input="\0".join(asked), capture_output=True, text=True, check=False,
    )  # fmt: skip
    ignored = set(done.stdout.split("\0")) - {""}
    assert 100 < len(ignored) < len(asked)
    assert [
        (path, path in expected, rules_of(tmp_path, path)) for path in asked if (path in expected) != (path in ignored)
    ] == []


def pattern(chance: random.Random) -> str:
    """A line of up to four segments, anchored or not, negated or not, a folder or not."""
    pieces = ("a", "b", "*", "*", "?", "[ab]", "[!a]", "[^a]", "a.", "ab", "\\*", "\\!", "#", " ", "\\ ")
    weights = (5, 3, 4, 4, 4, 2, 2, 2, 1, 2, 1, 1, 2, 1, 1)
    segments = [
        "".join(chance.choices(pieces, weights, k=chance.choice((1, 1, 1, 2, 3))))
        for _ in range(chance.choice((1, 1, 2, 3)))
    ]
    segments = ["**" if chance.random() < 0.2 else segment.replace("**", "*") for segment in segments]
    line = chance.choice(("", "", "", "/")) + "/".join(segments) + chance.choice(("", "", "", "/", "  "))
    return chance.choice(("", "", "!", "!", "#")) + line


def rules_of(root: Path, path: str) -> tuple[str, ...]:
    """What is written above a path: to see what went wrong."""
    folder = root / path.split("/", maxsplit=1)[0]
    return tuple(file.read_text() for file in (folder / ".gitignore", folder / "below" / ".gitignore"))


def left_out(rules: Sequence[Rule], path: str) -> bool:
    """As the walk asks: folder by folder, and no deeper where one is left out."""
    parts = path.split("/")
    return any(is_left_out(rules, parts[: n + 1], folder=n + 1 < len(parts)) for n in range(len(parts)))


def test_a_file_has_up_to_a_thousand_rules_of_up_to_500_letters() -> None:
    assert len(rules_in(["", "# no rule", *(f"a{n}" for n in range(1000))])) == 1000
    assert len(rules_in(f"a{n}" for n in range(1001))) == 1000
    assert [len(rules_in(["a" * letters])) for letters in (500, 501)] == [1, 0]
    assert len(rules_in(["!" + "a" * 500])) == 1


@pytest.mark.parametrize("line", ["", "   ", "/", "//", "#a", "\n", "!", "!/", ".", "./"])
def test_a_line_that_names_nothing_is_no_rule(line: str) -> None:
    assert rules_in([line]) == ()


def test_a_hostile_pattern_takes_no_time() -> None:
    rules = rules_in(["*a" * 200, "/".join(["**", "a*"] * 60), "[" * 400])
    start = time.process_time()
    for _ in range(20):
        is_left_out(rules, ["a" * 200] * 60, folder=False)
    assert time.process_time() - start < 1
