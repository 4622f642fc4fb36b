"""What is published: the release's script, the image, the weights, and the command's names. Nothing is built here."""

from __future__ import annotations

import importlib.util
import re
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
import yaml
from tests.command import vram
from tests.packaging.weigh import BEGIN, END, FOR, PAGE, declared

import vram as library
from vram.vllm.versions import NEWEST, format_version

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.fixture(scope="module")
def release() -> ModuleType:
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_version_says_which_vllm_is_known() -> None:
    assert (
        vram("--version").stdout.splitlines()[0]
        == f"vram {library.__version__} (vLLM 0.6.0 to {format_version(NEWEST)})"
    )


def test_the_distributions_name_is_a_command() -> None:
    assert PROJECT["scripts"][PROJECT["name"]] == PROJECT["scripts"]["vram"]


def test_versions_agree() -> None:
    assert PROJECT["version"] == library.__version__


CHANGES = "# Changelog\n\n## 0.2.0 (2027-01-31)\n\n- New.\n\n## 0.1.0 (unreleased)\n\n**Answers**\n\n- First.\n"


@pytest.mark.parametrize(("version", "notes"), [("0.2.0", "- New."), ("0.1.0", "**Answers**\n\n- First.")])
def test_the_notes_of_a_release_are_its_section_of_the_changelog(release: ModuleType, version: str, notes: str) -> None:
    assert release.notes(version, CHANGES) == notes


def test_a_version_without_a_section_has_no_notes(release: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"no section '## 0\.3\.0"):
        release.notes("0.3.0", CHANGES)


def test_this_version_has_notes(release: ModuleType) -> None:
    assert release.notes(library.__version__)


def test_a_tag_of_another_version_is_refused(release: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"The tag says 9\.9\.9, pyproject\.toml"):
        release.build("9.9.9")


def test_what_strays_into_a_wheel_is_named(release: ModuleType, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as wheel:
        for name in (
            "vram/api.py",
            "vram_plugins/plan/plan.py",
            "vram_estimator-0.1.0.dist-info/METADATA",
            "tests/x.py",
            "vram.py",
        ):
            wheel.writestr(name, "")
    assert release.strays_in(tmp_path / "a.whl") == ["tests/x.py", "vram.py"]


@pytest.mark.parametrize("file", sorted((ROOT / ".github" / "workflows").glob("*.yml")), ids=lambda path: path.name)
def test_a_workflow_may_write_only_where_it_says_so_and_names_its_actions_versions(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert all("@" in step.get("uses", "@") for step in job["steps"])
        for words in (word for step in job["steps"] for word in step.get("run", "").split()):
            if words.startswith(".ci/"):
                assert (ROOT / words).is_file()


def test_every_supported_python_is_tested_and_declared() -> None:
    matrix = yaml.safe_load((ROOT / ".github/workflows/tests.yml").read_text())["jobs"]["pythons"]["strategy"][
        "matrix"
    ]["python"]
    stated = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", one)]
    assert matrix == stated == ["3.11", "3.12", "3.13", "3.14"]


def test_the_image_runs_as_nobody_and_copies_what_there_is() -> None:
    lines = (ROOT / ".github/Containerfile").read_text().splitlines()
    user = next(line.split()[1] for line in lines if line.startswith("USER"))
    assert user != "0"
    assert user.isdecimal()
    copied = [word for line in lines if line.startswith("COPY") and "--from" not in line for word in line.split()[1:-1]]
    assert copied
    assert all((ROOT / name).exists() for name in copied)
    let_in = {
        line[1:] for line in (ROOT / ".github/Containerfile.dockerignore").read_text().splitlines() if line[0] == "!"
    }
    assert let_in == set(copied)
    last = lines[-1].removeprefix("CMD ")
    assert vram(*yaml.safe_load(last)[:1], "--help").returncode == 0


def test_every_declared_package_is_imported_somewhere_and_weighed() -> None:
    modules = {"PyYAML": "yaml", "nvidia-ml-py": "pynvml"}
    source = "\n".join(path.read_text() for room in ("core", "plugins") for path in (ROOT / room).rglob("*.py"))
    assert set(declared()) == set(FOR)
    weighed = PAGE.read_text().partition(BEGIN)[2].partition(END)[0]
    for name in declared():
        assert re.search(rf"^\s*(?:from|import) {modules.get(name, name)}\b", source, re.MULTILINE), (
            f"{name} is used nowhere"
        )
        assert re.search(rf"^\| `{name}` \| \d+\.\d \|", weighed, re.MULTILINE), f"{name} is not weighed"
