"""`--emit k8s`: manifests. A Deployment on one machine, a LeaderWorkerSet on several, as vLLM's docs deploy it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vram.models.artifact import Artifact, ArtifactRequest, GeneratedFile
from vram_plugins.artifacts.heading import heading
from vram_plugins.artifacts.pods import labels, pod
from vram_plugins.artifacts.sizing import sizing
from vram_plugins.artifacts.yaml_text import comment, yaml_text


class Kubernetes(Artifact):
    """Workload, Service and PersistentVolumeClaim; the token by reference to a secret that is not written."""

    name = "k8s"
    description = "k8s/: Deployment (or LeaderWorkerSet), Service, PersistentVolumeClaim"

    def render(self, request: ArtifactRequest) -> tuple[GeneratedFile, ...]:
        kind = "deployment" if request.nodes == 1 else "leaderworkerset"
        workload = _deployment(request) if request.nodes == 1 else _leader_worker_set(request)
        return (
            GeneratedFile(path=f"k8s/{kind}.yaml", text=heading(request, *_advice(request)) + yaml_text(workload)),
            GeneratedFile(path="k8s/service.yaml", text=yaml_text(_service(request))),
            GeneratedFile(path="k8s/pvc.yaml", text=_claim_text(request)),
        )


def _advice(request: ArtifactRequest) -> list[str]:
    secret, keys = request.serving.token_secret, ["HF_TOKEN"]
    if request.serving.requires_api_key:
        keys.append("VLLM_API_KEY")
    wanted = " ".join(f'--from-literal={key}="${key}"' for key in keys)
    found = [
        "Apply the folder: kubectl apply -f k8s/",
        f"Secrets, needed for gated models: kubectl create secret generic {secret} {wanted}",
        f"Any node with enough GPUs may take it; a nodeSelector on {request.devices.product_label} keeps it to the GPU predicted for.",
        "memory, shared memory (part of it) and disk follow `host` of the answer; the limit is twice the most that was foreseen.",
    ]
    if request.nodes > 1:
        found.append("LeaderWorkerSet must be installed in the cluster (lws.sigs.k8s.io).")
    if request.local:
        found.append("The model is a local folder: copy its files into the folder `model` of the volume first.")
    return found


def _metadata(request: ArtifactRequest) -> dict[str, Any]:
    return {"name": request.name, "labels": labels(request)}


def _deployment(request: ArtifactRequest) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(request),
        "spec": {
            "replicas": request.serving.replicas,
            # the old pod holds the GPUs and the volume that a rolling update's new pod would wait for
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": labels(request)},
            "template": pod(request),
        },
    }


def _leader_worker_set(request: ArtifactRequest) -> dict[str, Any]:
    return {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": _metadata(request),
        "spec": {
            "replicas": request.serving.replicas,
            "leaderWorkerTemplate": {
                "size": request.nodes,
                "restartPolicy": "RecreateGroupOnPodRestart",
                "leaderTemplate": pod(request),
                "workerTemplate": pod(request, serves=False),
            },
        },
    }


def _service(request: ArtifactRequest) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(request),
        "spec": {
            "type": "ClusterIP",
            "selector": {**labels(request), "app.kubernetes.io/component": "server"},
            "ports": [{"name": "http", "port": request.serving.port, "targetPort": "http"}],
        },
    }


def _claim_text(request: ArtifactRequest) -> str:
    alone = request.nodes == 1 and request.serving.replicas == 1
    mode = "ReadWriteOnce" if alone else "ReadWriteMany"
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(request),
        "spec": {
            "accessModes": [mode],
            "resources": {"requests": {"storage": f"{sizing(request).disk_gib}Gi"}},
        },
    }
    shared = "" if alone else comment("Every machine reads it: the storage class must give ReadWriteMany.")
    return shared + yaml_text(claim)


def artifacts() -> Iterable[Artifact]:
    """The artifact, as the package names it first."""
    yield Kubernetes()
