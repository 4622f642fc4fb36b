"""A command among a command's options: from a file, a pipe, behind `--`, in quotes. What was understood is told first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.command import refusal_of, vram

TWO = """
services:
  chat:
    image: vllm/vllm-openai:v0.20.2
    command: --model Qwen/Qwen3-8B --max-model-len 8192 --api-key sk-very-secret
    environment: {HF_TOKEN: hf_very_secret}
    deploy:
      resources:
        reservations:
          devices: [{driver: nvidia, count: 2, capabilities: [gpu]}]
  embed:
    image: vllm/vllm-openai:v0.20.2
    command: --model /models/x --max-model-len 4096
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: qwen}
spec:
  nodeSelector: {nvidia.com/gpu.product: NVIDIA-L40S}
  containers:
  - name: vllm
    image: vllm/vllm-openai:v0.19.1
    args: [--model, Qwen/Qwen3-8B, --max-model-len, "8192", --tensor-parallel-size, "2"]
    resources: {limits: {nvidia.com/gpu: 2}}
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    (tmp_path / "compose.yaml").write_text(TWO)
    return tmp_path / "compose.yaml"


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    (tmp_path / "pod.yaml").write_text(POD)
    return tmp_path / "pod.yaml"


def facts(*words: object, text: str | None = None) -> tuple[dict[str, Any], str]:
    """The deployment of an answer, and what was said beside it."""
    done = vram("estimate", "--json", *words, text=text)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["deployment"], done.stderr


def test_what_a_file_says_counts_where_nobody_says_otherwise(pod: Path) -> None:
    said, told = facts("--from-file", pod)
    assert (said["gpu"], said["tensor_parallel_size"], said["vllm_version"]) == ("L40S", 2, "0.19.1")
    assert told.startswith("read as: vllm serve Qwen/Qwen3-8B --max-model-len 8192 --tensor-parallel-size 2 on 2 × ")
    assert "vLLM 0.19.1, from Pod/qwen in line " in told
    said, _ = facts("--from-file", pod, "--gpu", "H100", "--vllm-version", "0.33.0", "--tp", "1")
    assert (said["gpu"], said["tensor_parallel_size"], said["vllm_version"]) == ("H100 80GB SXM", 1, "0.33.0")


def test_several_servers_are_listed_and_one_is_named(two: Path) -> None:
    told = refusal_of("estimate", "--from-file", two, "--gpu", "H100")
    assert "compose chat in line " in told
    assert "compose embed in line " in told
    assert "--server" in told
    _, told = facts("--from-file", two, "--gpu", "H100", "--server", "chat")
    assert "from compose chat in line" in told
    assert "secret" not in told
    line = told.partition("in line ")[2].splitlines()[0]
    assert facts("--from-file", two, "--gpu", "H100", "--server", line)[1] == told
    assert "compose embed in line " in refusal_of("estimate", "--from-file", two, "--gpu", "H100", "--server", "none")


def test_gpus_that_a_file_gives_are_no_tensor_parallelism(two: Path) -> None:
    """vLLM's tensor_parallel_size is 1 unless it is said."""
    said, told = facts("--from-file", two, "--gpu", "H100", "--server", "chat")
    assert said["tensor_parallel_size"] == 1
    assert "2 GPUs are given and 1 used" in told


def test_a_served_path_is_mapped_and_a_typed_model_wins(two: Path) -> None:
    asked = ("estimate", "--from-file", two, "--gpu", "H100", "--server", "embed")
    assert "/models/x" in refusal_of(*asked)
    for more in (("--model-for", "/models/x=Qwen/Qwen3-8B"), ("--model", "Qwen/Qwen3-8B")):
        done = vram(*asked, *more, "--json")
        assert json.loads(done.stdout)["model"]["id"] == "Qwen/Qwen3-8B", done.stderr
    assert "SERVED=MODEL" in refusal_of(*asked, "--model-for", "x")


@pytest.mark.parametrize("command", ["plan", "max-context"])
def test_other_commands_read_files_alike(pod: Path, command: str) -> None:
    done = vram(command, "--from-file", pod, "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("read as: vllm serve Qwen/Qwen3-8B")


def test_a_pipe_is_read_without_a_name() -> None:
    said, told = facts("--from-file", "-", text=POD)
    assert said["gpu"] == "L40S"
    assert "from Pod/qwen in line" in told
    assert "standard input: has no vLLM server" in vram("estimate", "--from-file", "-", text="nothing").stderr


@pytest.mark.parametrize(
    "words",
    [
        ("--", "vllm", "serve", "Qwen/Qwen3-8B", "--max-model-len", "8192"),
        ("vllm serve Qwen/Qwen3-8B --max-model-len 8192",),
        ("--", "docker", "run", "--gpus", "all", "vllm/vllm-openai:v0.20.2", "--model", "Qwen/Qwen3-8B", "--max-model-len", "8192"),
    ],
    ids=("words", "text", "docker"),
)  # fmt: skip
def test_a_pasted_command_is_told_as_it_was_understood(words: tuple[str, ...]) -> None:
    _, told = facts("--gpu", "H100", *words)
    assert told.startswith("read as: vllm serve Qwen/Qwen3-8B --max-model-len 8192 on H100, vLLM 0.")


def test_a_command_that_stays_one_word_is_not_expanded() -> None:
    words = ("--", "vllm", "serve", "Qwen/Qwen3-8B", "--served-model-name", "$HOME", "--max-model-len", "8192")
    assert "$HOME" not in facts("--gpu", "H100", *words)[1]
