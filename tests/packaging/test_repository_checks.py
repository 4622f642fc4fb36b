"""What other repositories use of this one: the pre-commit hook, the GitHub action, and the pages' examples of both."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION = ROOT / ".github" / "actions" / "vram-check"
PAGES = "\n".join(
    (ROOT / "docs" / "how-to" / f"check-{name}.md").read_text()
    for name in ("a-repository", "in-gitlab", "before-commits")
)
BLOCKS = dict(re.findall(r'^```yaml title="([^"]+)"\n(.*?)^```', PAGES, re.MULTILINE | re.DOTALL))


def action() -> dict[str, Any]:
    content = yaml.safe_load((ACTION / "action.yml").read_text())
    assert isinstance(content, dict)
    return content


def test_the_hook_has_what_pre_commit_asks_for_and_takes_files_that_deploy() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert {"id", "name", "entry", "language"} <= hook.keys()
    wanted = re.compile(hook["files"])
    for name in ("a/deploy.yaml", "Dockerfile.gpu", "run.sh", "vllm.service", "Procfile", "README.md", "x.ipynb"):
        assert wanted.search(name), name
    for name in ("main.rs", "logo.svg"):
        assert not wanted.search(name), name


def test_the_page_uses_the_hook_and_the_action_as_they_are() -> None:
    (repository,) = yaml.safe_load(BLOCKS[".pre-commit-config.yaml"])["repos"]
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert repository["hooks"][0]["id"] == hook["id"]
    steps = yaml.safe_load(BLOCKS[".github/workflows/vram.yml"])["jobs"]["check"]["steps"]
    (used,) = [step for step in steps if "vram-check@" in step["uses"]]
    assert set(used["with"]) <= set(action()["inputs"])


@pytest.mark.skipif(find_spec("check_jsonschema") is None, reason="needs check-jsonschema")
@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ("vendor.github-actions", (ACTION / "action.yml").read_text()),
        ("vendor.github-workflows", BLOCKS[".github/workflows/vram.yml"]),
        ("vendor.gitlab-ci", BLOCKS[".gitlab-ci.yml"]),
    ],
    ids=("action", "workflow", "gitlab"),
)
def test_forges_take_it(tmp_path: Path, schema: str, text: str) -> None:
    (tmp_path / "x.yml").write_text(text)
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, tmp_path / "x.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_command_of_gitlabs_page_writes_the_report_that_it_hands_over(tmp_path: Path) -> None:
    job = yaml.safe_load(BLOCKS[".gitlab-ci.yml"])["vram"]
    (tmp_path / "serve.sh").write_text("vllm serve Qwen/Qwen3-8B --max-model-len 8192\n")
    (command,) = [line for line in job["script"] if line.startswith("vram ")]
    program = [sys.executable, "-c", "from vram.cli import main; main()", *command.split()[1:]]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = ElementTree.parse(tmp_path / job["artifacts"]["reports"]["junit"]).getroot()
    assert (report.get("tests"), report.get("failures")) == ("1", "0")


def test_no_input_of_the_action_becomes_part_of_its_script() -> None:
    for step in action()["runs"]["steps"]:
        assert "${{" not in step.get("run", "")


def test_the_script_hands_inputs_on_as_words(tmp_path: Path) -> None:
    (tmp_path / "vram").write_text('#!/bin/sh\nprintf "%s\\n" "$@" >> "$SAID"; echo --- >> "$SAID"; exit 1\n')
    (tmp_path / "vram").chmod(0o755)
    inputs = {
        "VRAM_PATHS": "deploy\n  with blank/$(touch pwned)\n", "VRAM_GPU": "2 x L40S\nH100", "VRAM_MODEL_FOR": "/m=a/b",
        "VRAM_OPTIONS": "--concurrency=16\n\n--allow-unknown", "VRAM_VLLM_VERSION": "", "VRAM_SARIF": "out.sarif",
        "GITHUB_OUTPUT": str(tmp_path / "output"), "SAID": str(tmp_path / "said"),
    }  # fmt: skip
    done = subprocess.run(
        ["bash", ACTION / "check.sh"],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}", **inputs},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 1
    assert (tmp_path / "output").read_text() == "exit-code=1\n"
    same = ["--gpu", "2 x L40S", "--gpu", "H100", "--model-for", "/m=a/b", "--concurrency=16", "--allow-unknown", "--",
            "deploy", "with blank/$(touch pwned)"]  # fmt: skip
    runs = [run.splitlines() for run in (tmp_path / "said").read_text().split("---\n") if run]
    assert runs == [
        ["check", "--format", "sarif", "--output", "out.sarif", *same],
        ["check", "--format", "github", *same],
    ]
    assert not (tmp_path / "pwned").exists()


def test_shellcheck_has_nothing_to_say() -> None:
    program = shutil.which("shellcheck") or shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("needs shellcheck")
    done = subprocess.run([program, "-f", "json", ACTION / "check.sh"], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout) == []
