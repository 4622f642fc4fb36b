"""The pods of a deployment in Kubernetes: one kind on one machine, a leader and workers on several."""

from __future__ import annotations

import shlex
from typing import Any

from vram.models.artifact import ArtifactRequest
from vram_plugins.artifacts.across_nodes import RAY_HELPER, needs_ray
from vram_plugins.artifacts.container import (
    CACHE,
    ENTRYPOINT,
    ENVIRONMENT,
    HEALTH,
    container_words,
    literal,
    variables_of,
)
from vram_plugins.artifacts.sizing import sizing

_PROBE_SECONDS = 10


def labels(request: ArtifactRequest) -> dict[str, str]:
    """What selects the server's pods."""
    return {"app.kubernetes.io/name": "vllm", "app.kubernetes.io/instance": request.name}


def server_command(request: ArtifactRequest) -> dict[str, list[str]]:
    """`command` and `args` of the pod that answers requests."""
    words = container_words(request)
    if request.nodes == 1:
        return {"command": list(ENTRYPOINT), "args": list(words)}
    if needs_ray(request):
        # the words' dollars are doubled for Kubernetes, quotes are for the shell
        joined = " ".join(shlex.quote(word) for word in (*ENTRYPOINT, *words))
        script = f"bash {RAY_HELPER} leader --ray_cluster_size={request.nodes} && exec {joined}"
        return {"command": ["sh", "-c"], "args": [script]}
    return {"command": list(ENTRYPOINT), "args": [*words, *_place("0", request)]}


def worker_command(request: ArtifactRequest) -> dict[str, list[str]]:
    """`command` and `args` of the pods that only compute. LeaderWorkerSet sets the variables."""
    if needs_ray(request):
        return {"command": ["sh", "-c"], "args": [f"bash {RAY_HELPER} worker --ray_address=$(LWS_LEADER_ADDRESS)"]}
    words = container_words(request)
    return {"command": list(ENTRYPOINT), "args": [*words, *_place("$(LWS_WORKER_INDEX)", request), "--headless"]}


def _place(rank: str, request: ArtifactRequest) -> tuple[str, ...]:
    return ("--nnodes", str(request.nodes), "--node-rank", rank, "--master-addr", "$(LWS_LEADER_ADDRESS)")


def pod(request: ArtifactRequest, *, serves: bool = True) -> dict[str, Any]:
    """A pod template. Pods that do not serve have neither port nor probes."""
    needs = sizing(request)
    gpus = str(request.gpus_per_node)
    container: dict[str, Any] = {
        "name": "vllm",
        "image": request.image,
        **(server_command(request) if serves else worker_command(request)),
        "env": _environment(request),
        "resources": {
            "requests": {"cpu": str(needs.cores), "memory": f"{needs.host_gib}Gi", request.devices.resource: gpus},
            "limits": {"memory": f"{needs.most_gib}Gi", request.devices.resource: gpus},
        },
        "volumeMounts": _mounts(request),
        "securityContext": {"allowPrivilegeEscalation": False},
    }
    if serves:
        container["ports"] = [{"name": "http", "containerPort": request.serving.port}]
        container |= _probes(needs.start_seconds)
    return {
        "metadata": {"labels": {**labels(request), "app.kubernetes.io/component": "server" if serves else "worker"}},
        "spec": {
            # a Service called vllm would set VLLM_PORT, which vLLM reads as its own
            "enableServiceLinks": False,
            "automountServiceAccountToken": False,
            "containers": [container],
            "tolerations": [{"key": request.devices.resource, "operator": "Exists", "effect": "NoSchedule"}],
            "volumes": [
                {"name": "cache", "persistentVolumeClaim": {"claimName": request.name}},
                {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": f"{needs.shm_gib}Gi"}},
            ],
        },
    }


def _environment(request: ArtifactRequest) -> list[dict[str, Any]]:
    variables = {**ENVIRONMENT, **{name: literal(text) for name, text in variables_of(request).items()}}
    found: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in variables.items()]
    found.append(_secret(request, "HF_TOKEN", optional=True))
    if request.serving.requires_api_key:
        found.append(_secret(request, "VLLM_API_KEY", optional=False))
    return found


def _secret(request: ArtifactRequest, key: str, *, optional: bool) -> dict[str, Any]:
    """A variable by reference; without an optional one the pod starts all the same."""
    reference = {"name": request.serving.token_secret, "key": key, "optional": optional}
    return {"name": key, "valueFrom": {"secretKeyRef": reference}}


def _mounts(request: ArtifactRequest) -> list[dict[str, Any]]:
    """A local model is looked for in the folder `model` of the volume, where somebody has to put it."""
    found: list[dict[str, Any]] = [{"name": "cache", "mountPath": CACHE}, {"name": "shm", "mountPath": "/dev/shm"}]  # noqa: S108
    if request.local and request.model is not None:
        found.append({"name": "cache", "mountPath": request.model, "subPath": "model", "readOnly": True})
    return found


def _probes(start_seconds: int) -> dict[str, Any]:
    """A start may take long; once it serves, half a minute of silence restarts it."""
    ask = {"httpGet": {"path": HEALTH, "port": "http"}, "periodSeconds": _PROBE_SECONDS, "timeoutSeconds": 5}
    return {
        "startupProbe": {**ask, "failureThreshold": -(-start_seconds // _PROBE_SECONDS)},
        "readinessProbe": {**ask, "failureThreshold": 3},
        "livenessProbe": {**ask, "failureThreshold": 3},
    }
