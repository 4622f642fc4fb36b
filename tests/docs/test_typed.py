"""Type checkers see through the library: every example of the documentation, the packages to copy, and five deliberate misuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.test_pages import PAGES, programs

ROOT = Path(__file__).parents[2]
PACKAGES = (ROOT / "docs" / "plugin-template", ROOT / "tests" / "third_party" / "vram-example-plugin")
#: what a checker must say of a line, and mean
MISUSES = {
    "a misspelt engine argument": ('vram.estimate("x/y", gpu="H100", tensor_paralel_size=2)', "tensor_paralel_size"),
    "a list for a GPU": ('vram.estimate("x/y", gpu=["H100"])', "list[str]"),
    "a text for a size": ('vram.max_context("x/y", gpu_memory_gib="48")', "gpu_memory_gib"),
    "a word for a switch": ('vram.estimate("x/y", enforce_eager="yes")', "enforce_eager"),
    "a dict for a policy": ('vram.plan("x/y", policy={"headroom_gib": 1})', "policy"),
    "a callback of other arguments": ('vram.compare("x/y", progress=lambda text: print(text.upper()))', "progress"),
}  # fmt: skip


def mypy(*paths: Path, cwd: Path) -> list[str]:
    """What mypy --strict says of some files, a line each."""
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file=", "--no-error-summary", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd).stdout.splitlines()


def pyright(*paths: Path, cwd: Path) -> list[str]:
    """What pyright says of some files, a line each; skipped where it cannot run (it is a Node program)."""
    pytest.importorskip("pyright")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    try:
        told = json.loads(done.stdout)["generalDiagnostics"]
    except ValueError:
        pytest.skip("pyright cannot run here")
    return [f"{Path(one['file']).name}:{one['range']['start']['line'] + 1}: {one['message']}" for one in told]


CHECKERS = pytest.mark.parametrize("checker", [mypy, pyright], ids=["mypy", "pyright"])


@CHECKERS
def test_every_example_of_the_documentation_is_typed(checker, tmp_path: Path) -> None:
    examples = []
    for page in PAGES:
        for name, kind, text in programs(page):
            if kind == "python":
                path = tmp_path / f"{re.sub(r'[^a-z0-9]+', '_', name.lower())}.py"
                path.write_text(text)
                examples.append(path)
    assert len(examples) > 5
    assert checker(*examples, cwd=tmp_path) == []


@CHECKERS
@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_to_copy_is_typed(checker, package: Path) -> None:
    assert checker(package / "src", cwd=package) == []


@CHECKERS
def test_misuses_are_told(checker, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("import vram\n" + "\n".join(line for line, _ in MISUSES.values()) + "\n")
    told = [line for line in checker(wrong, cwd=tmp_path) if re.search(r":\d+: ", line) and ": note:" not in line]
    for number, (mistake, (_, word)) in enumerate(MISUSES.items(), start=2):
        assert any(f":{number}:" in line and word in line for line in told), (mistake, told)
