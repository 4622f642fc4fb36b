"""A patch and the kustomization that names it, a template and the task that renders it tell of one server, read by the built-in readers."""

from __future__ import annotations

from pathlib import Path

import pytest

from vram_plugins.check.checking import check

BASE = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat}
spec:
  template:
    spec:
      nodeSelector: {nvidia.com/gpu.product: NVIDIA-L4}
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.20.2
        args: [--model=Qwen/Qwen3-8B, --max-model-len=8192]
"""
PATCH = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: chat}
spec:
  template:
    spec:
      containers:
      - name: vllm
        args: [--model=Qwen/Qwen3-8B, --max-model-len=65536]
"""


@pytest.fixture(autouse=True)
def overlay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "base/deployment.yaml": BASE,
        "base/kustomization.yaml": "resources: [deployment.yaml]\n",
        "prod/longer.yaml": PATCH,
        "prod/kustomization.yaml": "resources: [../base]\nnamePrefix: prod-\npatches: [{path: longer.yaml}]\n",
        "next/kustomization.yaml": "resources: [../base]\nimages: [{name: vllm/vllm-openai, newTag: v0.21.0}]\n",
    }.items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_text(text)


def test_a_patched_server_is_told_once_where_it_is_patched() -> None:
    found = [(one.file, one.server, one.status) for one in check(["."]).findings]
    assert found == [
        ("base/deployment.yaml", "Deployment/chat", "starts"),
        ("next/kustomization.yaml", "Deployment/chat", "starts"),
        ("prod/longer.yaml", "Deployment/prod-chat", "does_not_start"),
    ]


def test_a_kustomization_that_is_named_alone_is_answered() -> None:
    (found,) = check(["prod/kustomization.yaml"]).findings
    assert (found.server, found.status) == ("Deployment/prod-chat", "does_not_start")


def test_a_template_and_the_task_that_renders_it_are_one_server() -> None:
    for name, text in {
        "role/defaults/main.yml": "llm: Qwen/Qwen3-8B\n",
        "role/tasks/main.yml": "- name: vLLM\n  template: {src: llm.service.j2, dest: /etc/systemd/system/llm.service}\n",
        "role/templates/llm.service.j2": "[Service]\nExecStart=vllm serve {{ llm }}\n",
    }.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text)
    assert [one.file for one in check(["role"]).findings] == ["role/templates/llm.service.j2"]
    assert [one.model for one in check(["role/tasks/main.yml"], root=".").findings] == ["Qwen/Qwen3-8B"]
