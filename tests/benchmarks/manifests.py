"""A repository of deployments to check: manifests, compose files, scripts and pages, no two alike."""

from __future__ import annotations

from pathlib import Path

_MODELS = ("Qwen/Qwen3-8B", "Qwen/Qwen3-32B", "mistralai/Mistral-7B-Instruct-v0.3", "Qwen/Qwen3-0.6B")
_GPUS = ("NVIDIA-H100-80GB-HBM3", "NVIDIA-L40S", "NVIDIA-A100-SXM4-80GB", "NVIDIA-L4")

_DEPLOYMENT = """\
apiVersion: v1
kind: Service
metadata: {{name: chat-{n}}}
spec:
  selector: {{app: chat-{n}}}
  ports: [{{port: 8000}}]
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: chat-{n}
  labels: {{app: chat-{n}}}
spec:
  replicas: 2
  selector:
    matchLabels: {{app: chat-{n}}}
  template:
    metadata:
      labels: {{app: chat-{n}}}
    spec:
      nodeSelector:
        nvidia.com/gpu.product: {gpu}
      containers:
      - name: vllm
        image: vllm/vllm-openai:v0.20.2
        args: ["--model", "{model}", "--max-model-len", "{length}", "--gpu-memory-utilization", "0.92"]
        ports: [{{containerPort: 8000}}]
        env:
        - name: HF_TOKEN
          valueFrom: {{secretKeyRef: {{name: hf-token, key: token}}}}
        resources:
          limits: {{nvidia.com/gpu: 1, memory: 64Gi}}
        readinessProbe:
          httpGet: {{path: /health, port: 8000}}
          initialDelaySeconds: 60
        volumeMounts: [{{name: shm, mountPath: /dev/shm}}]
      volumes:
      - name: shm
        emptyDir: {{medium: Memory, sizeLimit: 8Gi}}
"""
_COMPOSE = """\
services:
  web-{n}:
    image: nginx:1.27
    depends_on: [llm-{n}]
  llm-{n}:
    image: vllm/vllm-openai:v0.20.2
    command: --model {model} --max-model-len {length}
    environment: [HF_TOKEN]
    ipc: host
"""
_SCRIPT = """\
#!/usr/bin/env bash
set -euo pipefail
MODEL=${{MODEL:-{model}}}
exec vllm serve "$MODEL" \\
  --max-model-len {length} \\
  --port 80{n:02d}
"""


def repository(at: Path, files: int) -> Path:
    """`files` files in folders of fifty: eight in ten manifests of two objects, one in ten a compose file, one a script."""
    for n in range(files):
        folder = at / f"team-{n // 50}"
        folder.mkdir(parents=True, exist_ok=True)
        facts = {
            "n": n, "model": _MODELS[n % len(_MODELS)], "gpu": _GPUS[n // 7 % len(_GPUS)], "length": 2048 + 16 * n,
        }  # fmt: skip
        kind, suffix = (
            ((_COMPOSE, "compose.yaml") if n % 10 == 8 else (_SCRIPT, "serve.sh"))
            if n % 10 > 7
            else (_DEPLOYMENT, "yaml")
        )
        (folder / f"chat-{n}.{suffix}").write_text(kind.format(**facts))
    return at
