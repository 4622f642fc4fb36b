"""Files arrive whole and together, or not at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vram.deploy.writing import write_files
from vram.errors import OutputError
from vram.models.artifact import GeneratedFile

FILES = (GeneratedFile(path="a.txt", text="a\n"), GeneratedFile(path="deep/b.sh", text="b\n", executable=True))


def everything(folder: Path) -> dict[str, str]:
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def test_files_and_folders_are_made_with_the_users_own_permissions(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        paths = write_files(tmp_path / "new", FILES)
    finally:
        os.umask(before)
    assert everything(tmp_path / "new") == {"a.txt": "a\n", "deep/b.sh": "b\n"}
    assert [path.stat().st_mode & 0o777 for path in paths] == [0o640, 0o750]


def test_one_existing_file_keeps_all_others_from_being_written(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.sh").write_text("mine")
    with pytest.raises(OutputError, match=r"deep/b\.sh: exists already; --force"):
        write_files(tmp_path, FILES)
    assert everything(tmp_path) == {"deep/b.sh": "mine"}


def test_a_dangling_link_counts_as_existing(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OutputError, match="exists already"):
        write_files(tmp_path, FILES)


def test_force_replaces_a_link_and_not_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("keep")
    (tmp_path / "a.txt").symlink_to(tmp_path / "precious")
    write_files(tmp_path, FILES, force=True)
    assert everything(tmp_path) == {"precious": "keep", "a.txt": "a\n", "deep/b.sh": "b\n"}


@pytest.mark.parametrize("force", [False, True])
def test_a_fault_half_way_leaves_nothing_behind(tmp_path: Path, force: bool) -> None:
    (tmp_path / "deep").write_text("a file where a folder is needed")
    with pytest.raises(OutputError, match="cannot be written"):
        write_files(tmp_path, FILES, force=force)
    assert everything(tmp_path) == {"deep": "a file where a folder is needed"}


def test_a_file_that_somebody_else_makes_meanwhile_stays_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def slower(source: Path, target: Path) -> None:
        if Path(target).name == "b.sh":
            Path(target).write_text("theirs")
        link(source, target)

    monkeypatch.setattr(os, "link", slower)
    with pytest.raises(OutputError, match=r"b\.sh"):
        write_files(tmp_path, FILES)
    assert everything(tmp_path) == {"deep/b.sh": "theirs"}


def test_disks_without_hard_links_are_written_to_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted", str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)
    write_files(tmp_path, FILES)
    assert everything(tmp_path) == {"a.txt": "a\n", "deep/b.sh": "b\n"}


def test_a_folder_in_the_place_of_a_file_is_named_even_with_force(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        write_files(tmp_path, FILES, force=True)
