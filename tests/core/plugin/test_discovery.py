"""The plugins of an environment are those that importlib.metadata finds, found without it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from vram.plugin.discovery import from_entry_point, installed


def distribution(folder: Path, name: str, version: str, points: str, kind: str = "dist-info") -> None:
    at = folder / f"{name}-{version}.{kind}"
    at.mkdir(parents=True)
    (at / ("METADATA" if kind == "dist-info" else "PKG-INFO")).write_text(
        f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n\nName: of the text\n"
    )
    (at / "entry_points.txt").write_text(points)


def found() -> list[tuple[str, str, str, str]]:
    return sorted((each.name, each.value, each.distribution, each.version) for each in installed())


def expected() -> list[tuple[str, str, str, str]]:
    both = [from_entry_point(entry) for entry in entry_points(group="vram")]
    return sorted((each.name, each.value, each.distribution, each.version) for each in both)


def test_the_plugins_of_this_environment_are_found() -> None:
    assert found() == expected()
    assert {name for name, _, distribution, _ in found() if distribution == "vram-estimator"} >= {"gpus", "artifacts"}


def test_only_the_group_is_read_and_comments_are_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = "[console_scripts]\nx = y:z\n\n[vram]\n# none = here\nmine = my_package.hooks\nother=a.b:c [extra]\n[more]\nq = r\n"
    distribution(tmp_path, "my_package", "1.2.3", points)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert found() == [("mine", "my_package.hooks", "my-package", "1.2.3"), ("other", "a.b:c", "my-package", "1.2.3")]


def test_the_first_of_two_distributions_of_one_name_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, version, name in (("a", "2.0", "My_Package"), ("b", "1.0", "my_package")):
        distribution(tmp_path / folder, name, version, "[vram]\nmine = m\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "nowhere"), str(tmp_path / "a"), str(tmp_path / "b")])
    assert [version for _, _, _, version in found()] == ["2.0"]
    assert found() == expected()


def test_a_package_that_is_developed_in_place_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, "older", "0.1", "[vram]\nolder = m\n", kind="egg-info")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    assert found() == [("older", "m", "older", "0.1")] == expected()


def test_a_plugin_in_an_archive_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "all.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("zipped-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: zipped\nVersion: 1.0\n")
        file.writestr("zipped-1.0.dist-info/entry_points.txt", "[vram]\nzipped = m\n")
    monkeypatch.setattr(sys, "path", [str(archive)])
    assert found() == [("zipped", "m", "zipped", "1.0")]


def test_importlib_metadata_is_not_imported_for_it() -> None:
    program = "import sys; from vram.plugin.discovery import installed; installed(); assert 'importlib.metadata' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_package_that_setuptools_develops_in_place_is_found_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # `pip install -e` leaves both: site-packages/my_plug-1.0.dist-info, and src/my_plug.egg-info without a version
    distribution(tmp_path / "site", "my_plug", "1.0", "[vram]\nmine = m\n")
    egg = tmp_path / "src" / "my_plug.egg-info"
    egg.mkdir(parents=True)
    (egg / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: my-plug\nVersion: 1.0\n")
    (egg / "entry_points.txt").write_text("[vram]\nmine = m\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), str(tmp_path / "src")])
    assert found() == expected() == [("mine", "m", "my-plug", "1.0")]


def test_a_path_object_on_the_path_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    distribution(tmp_path, "mine", "1.0", "[vram]\nmine = m\n")
    monkeypatch.setattr(sys, "path", [tmp_path])
    assert found() == [("mine", "m", "mine", "1.0")]
