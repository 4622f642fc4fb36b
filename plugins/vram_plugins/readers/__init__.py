"""Built-in readers of deployment files, one module each: their names, without importing any."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later

#: by name: where the reader is made
READERS = {
    "compose": "compose:reader",
    "kubernetes": "kubernetes:reader",
    "kserve": "kserve:reader",
    "llm-inference-service": "llm_inference_service:reader",
    "kubeai": "kubeai:reader",
    "dynamo": "dynamo:reader",
    "vllm-runtime": "vllm_runtime:runtime_reader",
    "production-stack": "vllm_runtime:values_reader",
    "llm-d": "llm_d:reader",
    "helm-values": "helm_values:reader",
    "kustomize": "kustomize:reader",
    "helm-template": "helm_template:reader",
    "ray-serve": "ray_serve:reader",
    "skypilot": "skypilot:reader",
    "dstack": "dstack:reader",
    "truss": "truss:reader",
    "vllm-config": "vllm_config:reader",
    "shell": "shell:reader",
    "windows": "windows:reader",
    "dockerfile": "dockerfile:reader",
    "systemd": "systemd:reader",
    "supervisord": "supervisord:reader",
    "recipes": "recipes:reader",
    "markdown": "markdown:reader",
    "python": "python:reader",
    "notebook": "notebook:reader",
    "workflow": "workflow:reader",
    "terraform": "terraform:reader",
    "ansible": "ansible:reader",
    "ansible-template": "ansible_template:reader",
    "nix": "nix:reader",
    "cloud-tasks": "cloud_tasks:reader",
    "cloudformation": "cloudformation:reader",
}


@hookimpl
def vram_deployment_readers() -> Iterator[Later]:
    """Each reader's name."""
    for name, where in READERS.items():
        yield Later(names=(name,), load=f"{__name__}.{where}")
