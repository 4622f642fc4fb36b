"""Files of this machine are read out of allowed folders alone, and every refusal is the same."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.plugins.programs.questions import LLAMA, LOG, SCRIPT
from tests.plugins.programs.test_questions import answer

from vram.errors import InputError, VramError
from vram_plugins.programs.files import Files, allowed
from vram_plugins.programs.kept import may_change


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An allowed folder with a model, a log and a script, beside a secret."""
    top = tmp_path / "allowed"
    (top / "model").mkdir(parents=True)
    (top / "model" / "config.json").write_text(json.dumps(LLAMA))
    (top / "vllm.log").write_text(LOG)
    (top / "serve.sh").write_text(SCRIPT)
    (tmp_path / "secret.log").write_text(LOG)
    (tmp_path / "secret.env").write_text("MODEL=Qwen/Qwen3-8B\n")
    (top / "link.log").symlink_to(tmp_path / "secret.log")
    (top / "out").symlink_to(tmp_path)
    os.mkfifo(top / "pipe")
    return top


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(VramError) as refused:
        act()
    return str(refused.value)


def test_a_log_a_script_and_a_model_in_it_are_read(folder: Path) -> None:
    files = allowed((str(folder),))
    assert answer("reconcile", {"path": "vllm.log", "gpu": "H100"}, files)["log"]["ready"] is True
    assert answer("reconcile", {"path": str(folder / "vllm.log")}, files)["log"]["ready"] is True
    assert answer("check", {"paths": ["."], "gpu": ["H100"]}, files)[0]["model"] == "Qwen/Qwen3-32B"
    assert answer("check", {"paths": ["serve.sh"], "gpu": ["H100"]}, files)[0]["status"] == "starts"
    assert answer("estimate", {"model": "model", "gpu": "H100"}, files)["model"]["source"] == "local"
    assert (
        answer("estimate", {"command": f"vllm serve {folder}/model", "gpu": "H100"}, files)["model"]["source"]
        == "local"
    )


WAYS_OUT = (
    "../secret.log",
    "link.log",
    "out/secret.log",
    "/etc/passwd",
    "nothing.log",
    "~/x",
    "a\0b",
    "x" * 5000,
    "pipe",
    "",
)


@pytest.mark.parametrize("way", WAYS_OUT, ids=lambda way: repr(way)[:20])
def test_every_way_out_is_refused_as_what_is_not_there(folder: Path, way: str) -> None:
    files = allowed((str(folder),))
    told = refusal(lambda: files.path("path", "never-there"))
    if way == "":
        assert files.path("path", way) == str(folder)
    else:
        assert refusal(lambda: files.path("path", way)) == told


def test_without_folders_nothing_is_read(folder: Path) -> None:
    told = refusal(lambda: answer("reconcile", {"path": str(folder / "vllm.log")}))
    assert told == refusal(lambda: answer("reconcile", {"path": str(folder / "nothing")}))
    assert refusal(lambda: answer("check", {"paths": [str(folder)]})).startswith(
        "paths: is nothing that may be read here"
    )


def test_a_file_in_it_leads_to_no_other_outside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "services:\n  a:\n    image: vllm/vllm-openai\n    env_file: ../secret.env\n    command: --model ${MODEL}\n"
    (folder / "compose.yaml").write_text(text)
    monkeypatch.chdir(folder.parent)  # what is inside of the working directory would be read for its own user
    (found,) = answer("check", {"paths": ["compose.yaml"], "gpu": ["H100"]}, allowed((str(folder),)))
    assert found["status"] == "not_understood"


def test_models_named_in_files_and_logs_are_not_opened_outside(folder: Path) -> None:
    outside = folder.parent / "elsewhere"
    outside.mkdir()
    (outside / "config.json").write_text(json.dumps(LLAMA))
    script = {"files": [{"name": "a.sh", "text": f"vllm serve {outside}"}], "gpu": ["H100"]}
    missing = {"files": [{"name": "a.sh", "text": f"vllm serve {outside}x"}], "gpu": ["H100"]}
    (there,), (nothing,) = answer("check", script), answer("check", missing)
    assert there["problem"] == nothing["problem"].replace(f"{outside}x", str(outside))
    log = LOG.replace("Qwen/Qwen3-8B", str(outside))
    assert "is named in the log and not to be had here" in answer("reconcile", {"log": log})["prediction"]["problem"]


def test_of_two_folders_both_are_read(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.sh").write_text("vllm serve Qwen/Qwen3-8B\n")
    found = answer("check", {"paths": ["serve.sh", "run.sh"], "gpu": ["H100"]}, allowed((str(folder), str(other))))
    assert [one["model"] for one in found] == ["Qwen/Qwen3-32B", "Qwen/Qwen3-8B"]


def test_what_is_no_folder_cannot_be_allowed(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="allow-files: is no folder"):
        allowed((str(tmp_path / "nothing"),))


def test_an_answer_about_files_that_may_be_edited_is_not_kept(folder: Path) -> None:
    own = Files(folders=None)
    assert may_change({"model": str(folder / "model")}, own)
    assert may_change({"command": "vllm serve x"}, own)
    assert may_change({"model": "Qwen/Qwen3-8B", "speculative_config": {"model": str(folder)}}, own)
    assert not may_change({"model": "Qwen/Qwen3-8B"}, own)
    assert not may_change({"model": str(folder / "model")}, Files())
