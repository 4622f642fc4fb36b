"""`vram reconcile` as a newcomer runs it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from tests.command import refusal_of
from tests.command import vram as run

LINES = (
    "\x1b[32m(APIServer pid=1) INFO 12-15 19:05:20 [api_server.py:1977] vLLM API server version 0.11.2\x1b[0m\n"
    "(APIServer pid=1) INFO 12-15 19:05:20 [utils.py:253] non-default args: {{'model': '{model}', 'max_model_len': 4096}}\n"
    "(EngineCore_DP0 pid=9) INFO 12-15 19:05:55 [gpu_model_runner.py:2653] Model loading took 14.96 GiB and 30.3 seconds\n"
    "(EngineCore_DP0 pid=9) INFO 12-15 19:06:11 [gpu_worker.py:298] Available KV cache memory: 19.24 GiB\n"
    "(EngineCore_DP0 pid=9) INFO 12-15 19:06:12 [kv_cache_utils.py:1087] GPU KV cache size: 157,584 tokens\n"
)
REFUSED = (
    "ValueError: To serve at least one request with the model's max seq len (262144), (24.0 GiB KV cache is needed, which is "
    "larger than the available KV cache memory (3.18 GiB). Based on the available memory, the estimated maximum model length is "
    "34736.\n"
)


def vram(*arguments: object, text: str | None = None, home: Path | None = None) -> CompletedProcess[str]:
    return run(*arguments, text=text, COLUMNS="120", **({"VRAM_HOME": str(home)} if home else {}))


@pytest.fixture
def log(tmp_path: Path, model_folder: Callable[..., Path]) -> Path:
    path = tmp_path / "vllm.log"
    path.write_text(LINES.format(model=model_folder()))
    return path


def test_the_table_has_logged_beside_predicted(log: Path) -> None:
    done = vram("reconcile", log, "--gpu", "A100 40GB")
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if line.startswith("KV cache memory"))
    assert row.split()[3] == "19.24"
    assert "Overhead profile ampere." in done.stdout


def test_a_log_is_read_from_standard_input(log: Path) -> None:
    answer = json.loads(vram("reconcile", "-", "--gpu", "A100 40GB", "--json", text=log.read_text()).stdout)
    assert answer["log"]["path"] == "standard input"
    assert {c["name"] for c in answer["components"]} == {"weights", "other", "kv_cache_available", "kv_tokens"}


def test_a_refusal_names_the_flag_first(log: Path) -> None:
    log.write_text(log.read_text() + REFUSED)
    first, second, *_ = vram("reconcile", log).stdout.splitlines()
    assert first.startswith("failed while the KV cache was sized")
    assert "Change: --max-model-len 34736" in second


def test_a_saved_profile_serves_the_next_estimate(log: Path, tmp_path: Path, model_folder: Callable[..., Path]) -> None:
    saved = vram("reconcile", log, "--gpu", "A100 40GB", "--save", "mine", home=tmp_path)
    assert "profiles/mine.toml" in saved.stdout.replace("\n", "")
    arguments = ("--profile", "mine", "-c", 4096, "--vllm-version", "0.11.2")
    done = vram("estimate", model_folder(), *arguments, home=tmp_path)
    assert "Available KV cache memory: 19.24 GiB" in done.stdout
    missing = vram("estimate", model_folder(), "--profile", "mnie", home=tmp_path)
    assert missing.returncode == 2
    assert "Did you mean mine" in missing.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.log",), "does not exist"),
        ((".",), "is a folder"),
        ((__file__,), None),
    ],
)
def test_what_is_no_log_is_one_sentence(arguments: tuple[str, ...], words: str | None, tmp_path: Path) -> None:
    empty = tmp_path / "empty.log"
    empty.write_text("nothing to see\n")
    told = refusal_of("reconcile", *(arguments if words else (empty,)))
    assert (words or "has none of the lines vLLM prints") in told


def test_saved_profiles_are_listed_and_shown(log: Path, tmp_path: Path) -> None:
    vram("reconcile", log, "--gpu", "A100 40GB", "--save", "mine", home=tmp_path)
    (tmp_path / "profiles" / "broken.toml").write_text("name = [")
    listed = vram("profiles", "--json", home=tmp_path)
    assert "mine" in {profile["name"] for profile in json.loads(listed.stdout)}
    assert "broken.toml" in listed.stderr
    assert "provenance: measured" in vram("profiles", "show", "mine", home=tmp_path).stdout
