"""The reader of the documentation, installed as pip leaves it: everything that reads files finds its servers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "add-a-reader.md").read_text()
BLOCKS = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL))
Vram = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def vram(tmp_path: Path) -> Vram:
    """The command in a folder with the example's file, in a process that sees the example's plugin."""
    packages = tmp_path / "packages"
    info = packages / "my_catalogue-1.0.dist-info"
    info.mkdir(parents=True)
    (packages / "my_catalogue.py").write_text(BLOCKS["my_catalogue.py"])
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my_catalogue\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vram]\nmy_catalogue = my_catalogue\n")
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "team.catalogue.yaml").write_text(BLOCKS["team.catalogue.yaml"])

    def run(*arguments: str, program: str = "from vram.cli import main; main()") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(packages), "COLUMNS": "120"}
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)

    return run


def test_it_is_thirty_lines_and_the_page_shows_what_it_prints(vram: Vram) -> None:
    lines = [line for line in BLOCKS["my_catalogue.py"].splitlines() if line]
    assert len(lines) <= 30
    shown = PAGE.split("$ vram check .\n")[1].split("$ vram")[0]
    done = vram("check", ".")
    assert done.returncode == 1
    assert done.stdout.startswith(shown), done.stdout + done.stderr


def test_every_way_to_hand_over_a_file_finds_its_servers(vram: Vram) -> None:
    found = json.loads(vram("check", ".", "--json").stdout)
    assert [(one["line"], one["server"], one["kind"], one["gpus"]) for one in found] == [
        (3, "chat", "catalogue", 1),
        (6, "search", "catalogue", 2),
    ]
    done = vram("max-context", "--from-file", "team.catalogue.yaml", "--server", "chat")
    assert done.returncode == 0
    assert done.stderr.startswith("read as: vllm serve Qwen/Qwen3-8B --max-model-len 16384")
    page = (
        "import sys; from vram_plugins.web.pasted import told_of; "
        "print(told_of({'text': open('team.catalogue.yaml').read(), 'name': 'team.catalogue.yaml', 'server': 'search'})['read_as'])"
    )
    assert "vllm serve Qwen/Qwen3-32B on 2 × L40S" in vram(program=page).stdout


@pytest.mark.parametrize("text", ["servers: [", "servers: 3\n", "servers: [{name: x}]\n", "[]\n", "vllm serve: x\n"])
def test_a_broken_file_of_it_is_one_sentence(vram: Vram, text: str, tmp_path: Path) -> None:
    (tmp_path / "repository" / "team.catalogue.yaml").write_text(text)
    done = vram("estimate", "--from-file", "team.catalogue.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"Error: team\.catalogue\.yaml: is no catalogue \(\w+\)\.\n", done.stderr), done.stderr


def test_it_keeps_the_contract(vram: Vram) -> None:
    done = vram("plugins", "check", "my_catalogue")
    assert (done.returncode, done.stdout) == (0, "1 plugin checked, 0 broken.\n"), done.stdout + done.stderr
