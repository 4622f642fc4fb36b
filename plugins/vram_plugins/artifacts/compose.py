"""`--emit compose`: compose.yaml, one server on one machine."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from vram.errors import InputError
from vram.models.artifact import Artifact, ArtifactRequest, GeneratedFile
from vram_plugins.artifacts.container import (
    CACHE,
    ENTRYPOINT,
    ENVIRONMENT,
    HEALTH,
    container_words,
    literal,
    variables_of,
)
from vram_plugins.artifacts.heading import heading
from vram_plugins.artifacts.sizing import sizing
from vram_plugins.artifacts.yaml_text import yaml_text


class Compose(Artifact):
    """A service with its GPUs reserved, a health check, shared memory and a volume for the downloads."""

    name = "compose"
    description = "compose.yaml for docker compose"

    def render(self, request: ArtifactRequest) -> tuple[GeneratedFile, ...]:
        if request.nodes > 1:
            problem = f"compose: {request.gpus} GPUs are more than one machine has ({request.serving.gpus_per_node})"
            raise InputError(name="gpus", value=request.gpus, problem=f"{problem}; emit k8s or helm")
        _refuse_more_than_a_machine(request)
        needs = sizing(request)
        port = request.serving.port
        ask = f"import urllib.request as u; u.urlopen('http://localhost:{port}{HEALTH}', timeout=4)"
        service = {
            "image": request.image,
            "entrypoint": ENTRYPOINT,
            "command": container_words(request),
            "ports": [f"{port}:{port}"],
            "environment": _environment(request),
            "volumes": _volumes(request),
            **({"shm_size": f"{needs.shm_gib}gb"} if request.devices.driver else {}),
            **_gpus(request),
            "healthcheck": {
                "test": ["CMD", "python3", "-c", ask],
                "interval": "10s",
                "timeout": "5s",
                "retries": 3,
                "start_period": f"{needs.start_seconds}s",
            },
            "restart": "unless-stopped",
        }
        text = heading(
            request,
            "Start with `docker compose up`. A gated model needs HF_TOKEN in the environment or in a file .env beside this one.",
            *_shared_out(request),
        ) + yaml_text({"name": request.name, "services": _services(request, service), "volumes": {"cache": None}})
        return (GeneratedFile(path="compose.yaml", text=text),)


def _gpus(request: ArtifactRequest) -> dict[str, object]:
    """GPUs reserved from a driver of Docker's, or handed in as device files, all of the machine's."""
    devices = request.devices
    if devices.driver:
        reserved = {"driver": devices.driver, "count": request.gpus, "capabilities": ["gpu"]}
        return {"deploy": {"resources": {"reservations": {"devices": [reserved]}}}}
    return {
        "devices": [f"{path}:{path}" for path in devices.paths],
        "group_add": list(devices.groups),
        "security_opt": ["seccomp=unconfined"],  # ROCm's own advice for its containers: it maps and pins memory
        "ipc": "host",
    }


def _refuse_more_than_a_machine(request: ArtifactRequest) -> None:
    """Raises InputError where replicas need more GPUs than the one machine that compose runs on."""
    replicas, most = request.serving.replicas, request.serving.gpus_per_node
    if replicas * request.gpus > most:
        problem = f"compose: {replicas} servers of {request.gpus} GPUs are more than one machine has ({most}); emit k8s or helm"
        raise InputError(name="replicas", value=replicas, problem=problem)


def _services(request: ArtifactRequest, service: dict[str, Any]) -> dict[str, Any]:
    """One service, or one for each replica with GPUs and a port of its own: a number of GPUs alone would give each the first."""
    replicas, port, gpus = request.serving.replicas, request.serving.port, request.gpus
    if replicas == 1:
        return {"vllm": service}
    found = {}
    for index in range(replicas):
        ids = [str(index * gpus + gpu) for gpu in range(gpus)]
        found[f"vllm-{index + 1}"] = {**service, "ports": [f"{port + index}:{port}"], **_chosen(request, service, ids)}
    return found


def _chosen(request: ArtifactRequest, service: dict[str, Any], ids: list[str]) -> dict[str, Any]:
    """These GPUs and no others, by the driver or by the variable that hides the rest."""
    devices = request.devices
    if devices.driver:
        reserved = {"driver": devices.driver, "device_ids": ids, "capabilities": ["gpu"]}
        return {"deploy": {"resources": {"reservations": {"devices": [reserved]}}}}
    if not devices.visible:
        problem = "compose: no variable is known that divides GPUs of this platform; emit k8s or helm"
        raise InputError(name="replicas", value=request.serving.replicas, problem=problem)
    return {"environment": {**service["environment"], devices.visible: ",".join(ids)}}


def _shared_out(request: ArtifactRequest) -> tuple[str, ...]:
    replicas, port = request.serving.replicas, request.serving.port
    if replicas == 1:
        return ()
    return (
        f"{replicas} servers, on the ports {port} to {port + replicas - 1}: put something before them that shares requests out.",
    )


def _environment(request: ArtifactRequest) -> dict[str, str | None]:
    variables = {name: literal(text) for name, text in variables_of(request).items()}
    found: dict[str, str | None] = {
        **ENVIRONMENT,
        **variables,
        "HF_TOKEN": None,
    }  # no value: taken from where compose runs
    if request.serving.requires_api_key:
        found["VLLM_API_KEY"] = "${VLLM_API_KEY:?set it to the key that clients must send}"
    return found


def _volumes(request: ArtifactRequest) -> list[object]:
    """The cache, and a local model at the same place in the container."""
    found: list[object] = [{"type": "volume", "source": "cache", "target": CACHE}]
    if request.local and request.model is not None:
        path = literal(request.model)
        found.append({"type": "bind", "source": path, "target": path, "read_only": True})
    return found


def artifacts() -> Iterable[Artifact]:
    """The artifact, as the package names it first."""
    yield Compose()
