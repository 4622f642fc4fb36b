"""Which files are read, and what a hostile folder does: nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from vram.errors import InputError
from vram_plugins.check import walking
from vram_plugins.check.walking import Walk


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


def written(*names: str, text: str = "text\n") -> None:
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)


def names(*paths: str, exclude: Iterable[str] = ()) -> list[str]:
    return [found.path.as_posix() for found in Walk(paths, exclude=exclude).files()]


def test_files_come_in_the_order_of_their_names_and_once() -> None:
    written("b.yaml", "a.yaml", "c/d.sh", "c/.github/x.yml")
    assert names(".") == ["a.yaml", "b.yaml", "c/d.sh", "c/.github/x.yml"]
    assert names("c/d.sh", ".", "./c") == ["c/d.sh", "a.yaml", "b.yaml", "c/.github/x.yml"]


def test_what_nobody_deploys_is_passed_over() -> None:
    written(
        ".git/config", "node_modules/a.yaml", "venv/b.yaml", "my/pyvenv.cfg", "my/lib/c.yaml", "w.safetensors", "d.yaml"
    )
    Path("e.yaml").write_bytes(b"\x00\x01vllm serve")
    assert names(".") == ["d.yaml"]


def test_an_ignore_file_counts_below_its_folder_and_may_take_back() -> None:
    written("a.yaml", "examples/b.yaml", "examples/keep.yaml", "deploy/examples/c.yaml", "deploy/d.tmp.yaml")
    written(".vramignore", text="# not ours\n/examples/*\n!keep.yaml\n")
    written("deploy/.vramignore", text="*.tmp.yaml\n")
    assert names(".", exclude=[".vramignore"]) == ["a.yaml", "deploy/examples/c.yaml", "examples/keep.yaml"]


def test_a_file_that_is_named_is_left_out_as_well_and_that_is_told() -> None:
    written("examples/a.yaml", "b.yaml")
    written(".vramignore", text="examples/\n")
    walk = Walk(["examples/a.yaml", "b.yaml"], exclude=["*.yml"])
    assert [found.path.name for found in walk.files()] == ["b.yaml"]
    assert walk.notes == ("left out as .vramignore or --exclude says: examples/a.yaml",)


def test_links_lead_nowhere(here: Path) -> None:
    written("../outside/secret.yaml", "a/b.yaml")
    os.symlink("..", "a/loop")
    os.symlink("../../outside", "a/out")
    os.symlink("../outside/secret.yaml", "link.yaml")
    os.symlink("self", "self")
    assert names(".") == ["a/b.yaml"]


def test_pipes_and_large_files_are_not_opened() -> None:
    os.mkfifo("pipe.yaml")
    with Path("large.yaml").open("wb") as file:
        file.truncate(100 << 20)
    walk = Walk(["."])
    assert walk.files() == ()
    assert walk.notes == ("1 file larger than 1 MiB was not read",)
    problems = [found.problem for found in Walk(["pipe.yaml", "large.yaml"]).files()]
    assert problems == ["is no file that holds text", "is larger than any deployment file (1 MiB)"]


def test_a_name_with_a_line_break_is_a_name() -> None:
    written("a\nb.yaml")
    assert names(".") == ["a\nb.yaml"]


def test_a_folder_without_end_is_walked_to_a_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "_DEEPEST", 3)
    written("a/b/c/d.yaml", "a/b/c/e/f.yaml")
    assert names(".") == ["a/b/c/d.yaml"]


def test_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walking, "_MOST_FILES", 3)
    written(*(f"{n}.yaml" for n in range(5)))
    with pytest.raises(InputError, match="more than 3 files"):
        names(".")


@pytest.mark.parametrize("path", ["none", "a\0b", "x" * 5000])
def test_a_path_that_is_none_is_one_sentence(path: str) -> None:
    with pytest.raises(InputError, match="PATH"):
        names(path)
