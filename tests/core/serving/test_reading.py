"""Servers in compose files and manifests."""

from __future__ import annotations

from pathlib import Path

import pytest

from vram.errors import VramError
from vram.serving import parse_file

COMPOSE = """
services:
  db: {image: postgres}
  llm:
    image: vllm/vllm-openai:v0.20.2
    command: --model Qwen/Qwen3-8B --max-model-len 8192
    deploy:
      resources:
        reservations:
          devices: [{driver: nvidia, count: 2, capabilities: [gpu]}]
"""
DEPLOYMENT = """
apiVersion: v1
kind: Service
metadata: {name: x}
---
apiVersion: apps/v1
kind: Deployment
spec:
  template:
    spec:
      containers:
      - name: vllm
        image: registry.example/vllm/vllm-openai:v0.19.0
        command: ["/bin/sh", "-c"]
        args: ["vllm serve mistralai/Mistral-7B-Instruct-v0.3 --enforce-eager"]
        resources: {limits: {nvidia.com/gpu: "4"}}
"""


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_a_compose_file_gives_model_arguments_gpus_and_version(tmp_path: Path) -> None:
    command = parse_file(write(tmp_path, "compose.yaml", COMPOSE))
    assert (command.model, command.gpus, command.vllm_version) == ("Qwen/Qwen3-8B", 2, "0.20.2")
    assert command.engine_args == {"max_model_len": 8192}


def test_a_deployment_whose_shell_runs_the_command(tmp_path: Path) -> None:
    command = parse_file(write(tmp_path, "deployment.yml", DEPLOYMENT))
    assert (command.model, command.gpus) == ("mistralai/Mistral-7B-Instruct-v0.3", 4)
    assert command.engine_args == {"enforce_eager": True}


@pytest.mark.parametrize("text", ["a: [", "- 1", "services: {x: {image: nginx}}", "a: &a [*a]", ""])
def test_a_file_without_a_server_is_one_clear_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(VramError):
        parse_file(write(tmp_path, "x.yaml", text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(VramError, match="cannot be read"):
        parse_file(tmp_path / "no.sh")
