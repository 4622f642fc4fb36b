"""Variables of vLLM's environment: typed, before a pasted command, in the library, and in the files that deploy an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.command import refusal_of, vram

import vram as library

CHARGE = "VLLM_MEMORY_PROFILER_ESTIMATE_CUDAGRAPHS"
ASKED = ("--gpu", "H100", "--vllm-version", "0.20.2", "--json")


def pool(*words: object) -> int:
    return int(json.loads(vram("estimate", *words).stdout)["memory"]["kv_cache_available"]["expected"])


def test_a_variable_is_read_wherever_it_is_given(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    typed = pool(folder, *ASKED, "--env", f"{CHARGE}=0", "--env", "HF_HOME=/cache")
    pasted = pool(*ASKED, "--", f"{CHARGE}=0", "vllm", "serve", folder)
    called = library.estimate(folder, gpu="H100", vllm_version="0.20.2", environment={CHARGE: "0"})

    assert typed == pasted == called.memory.kv_cache_available.expected
    assert typed > pool(folder, *ASKED)  # 0.20 charges an estimate of the graphs by itself


def test_a_typed_variable_wins_over_a_pasted_one(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    both = pool(*ASKED, "--env", f"{CHARGE}=1", "--", f"{CHARGE}=0", "vllm", "serve", folder)
    assert both == pool(folder, *ASKED)


@pytest.mark.parametrize(("text", "named"), [("VLLM_USE_V1", "env"), ("=1", "env"), (f"{CHARGE}=maybe", CHARGE)])
def test_what_is_no_variable_or_cannot_be_read_gets_one_sentence(
    model_folder: Callable[..., Path], text: str, named: str
) -> None:
    assert named in refusal_of("estimate", model_folder(), *ASKED, "--env", text)


def test_a_warning_takes_one_line_and_names_the_releases(model_folder: Callable[..., Path]) -> None:
    done = vram("estimate", model_folder(), "--gpu", "H100", "--vllm-version", "0.17.1", "--enable-sleep-mode")
    lines = [line for line in done.stdout.splitlines() if "sleep mode" in line]
    assert len(lines) == 1
    assert lines[0].startswith("! vLLM from 0.17.0 to before 0.27.0: ")


def test_files_set_the_variables_that_decide_and_no_secret(model_folder: Callable[..., Path], tmp_path: Path) -> None:
    kinds = "command,compose,k8s,helm,profile"
    command = (f"{CHARGE}=0", "HF_TOKEN=hf_secret", "vllm", "serve", model_folder(), "--max-model-len", "8192")
    done = vram(
        "generate", "-o", tmp_path, "--emit", kinds, "--gpu", "H100", "--vllm-version", "0.20.2", "--", *command
    )
    texts = {path.name: path.read_text() for path in tmp_path.rglob("*") if path.is_file()}

    assert "HF_TOKEN" in done.stderr  # left out, and said so
    assert not any("hf_secret" in text for text in texts.values())
    assert f"export {CHARGE}=0\n" in texts["serve.sh"]
    assert yaml.safe_load(texts["compose.yaml"])["services"]["vllm"]["environment"][CHARGE] == "0"
    container = yaml.safe_load((tmp_path / "k8s" / "deployment.yaml").read_text())["spec"]["template"]["spec"][
        "containers"
    ][0]
    assert {"name": CHARGE, "value": "0"} in container["env"]
    assert yaml.safe_load(texts["values.yaml"])["environment"] == {CHARGE: "0"}
    assert pool("-p", tmp_path / "profile.yaml", "--json") == pool(*ASKED, "--", *command[:1], *command[2:])
