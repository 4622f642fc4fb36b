"""`--emit helm`: a small chart of the same manifests that `k8s` writes.

Templates use only what Go's text/template has built in, and nothing of the model's is in them: names and words are values,
printed with quotes.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files
from textwrap import indent

from vram.models.artifact import Artifact, ArtifactRequest, GeneratedFile
from vram_plugins.artifacts.container import literal, variables_of
from vram_plugins.artifacts.heading import heading
from vram_plugins.artifacts.pods import server_command, worker_command
from vram_plugins.artifacts.sizing import sizing
from vram_plugins.artifacts.yaml_text import yaml_text

_CHART_VERSION = "0.1.0"
_PROBE_SECONDS = 10


class Helm(Artifact):
    """Chart.yaml, values.yaml and templates; resources are named after the release."""

    name = "helm"
    description = "helm/: a chart"

    def render(self, request: ArtifactRequest) -> tuple[GeneratedFile, ...]:
        folder = f"helm/{request.name}"
        kind = "deployment" if request.nodes == 1 else "leaderworkerset"
        templates = {kind: _workload(kind), "service": _template("service"), "pvc": _template("pvc")}
        return (
            GeneratedFile(path=f"{folder}/Chart.yaml", text=_chart(request)),
            GeneratedFile(path=f"{folder}/values.yaml", text=_values(request)),
            *(GeneratedFile(path=f"{folder}/templates/{name}.yaml", text=text) for name, text in templates.items()),
        )


def _chart(request: ArtifactRequest) -> str:
    chart = {
        "apiVersion": "v2",
        "name": request.name,
        "description": "vLLM serving one model",
        "type": "application",
        "version": _CHART_VERSION,
        "appVersion": request.estimate.deployment.vllm_version,
    }
    return heading(request, f"Install it: helm install {request.name} ./{request.name}") + yaml_text(chart)


def _values(request: ArtifactRequest) -> str:
    needs = sizing(request)
    multi, variables = request.nodes > 1, variables_of(request)
    repository, _, tag = request.image.rpartition(":")
    values = {
        "replicas": request.serving.replicas,
        "image": {"repository": repository, "tag": tag},
        "server": server_command(request),
        **({"nodes": request.nodes, "worker": worker_command(request)} if multi else {}),
        "port": request.serving.port,
        **({"environment": {n: literal(text) for n, text in variables.items()}} if variables else {}),
        "gpus": request.gpus_per_node,
        "gpuResource": request.devices.resource,
        "cpu": needs.cores,
        "memory": f"{needs.host_gib}Gi",
        "memoryLimit": f"{needs.most_gib}Gi",
        "sharedMemory": f"{needs.shm_gib}Gi",
        "disk": {
            "size": f"{needs.disk_gib}Gi",
            "accessMode": "ReadWriteMany" if multi or request.serving.replicas > 1 else "ReadWriteOnce",
            "storageClass": "",
        },
        "tokenSecret": request.serving.token_secret,
        "requiresApiKey": request.serving.requires_api_key,
        "localModel": request.model if request.local else "",
        "startupFailureThreshold": -(-needs.start_seconds // _PROBE_SECONDS),
    }
    advice = [
        "gpus, cpu, memory and sharedMemory (part of the memory) are per machine. memoryLimit is twice the most that was foreseen.",
        f"tokenSecret names a secret with the key HF_TOKEN (for gated models{', and VLLM_API_KEY' * request.serving.requires_api_key}).",
        "A port other than this one must be changed in server.args too.",
        *(["The model is a local folder: copy its files into the folder `model` of the volume first."] * request.local),
        *(["Needs LeaderWorkerSet in the cluster, and a storage class that gives ReadWriteMany."] * multi),
        *(
            ["Replicas share the volume: the storage class must give ReadWriteMany."]
            * (not multi and values["replicas"] != 1)
        ),
    ]
    return heading(request, *advice) + yaml_text(values)


def _workload(kind: str) -> str:
    inside = "    " if kind == "deployment" else "      "
    return (
        _template(kind)
        .replace("@SERVER@\n", indent(_pod("server"), inside))
        .replace("@WORKER@\n", indent(_pod("worker"), inside))
    )


def _pod(component: str) -> str:
    probes = indent(_template("probes"), " " * 6) if component == "server" else ""
    return _template("pod").replace("@COMPONENT@", component).replace("@PROBES@\n", probes)


def _template(name: str) -> str:
    return files("vram_plugins.artifacts").joinpath("chart", f"{name}.yaml").read_text(encoding="utf-8")


def artifacts() -> Iterable[Artifact]:
    """The artifact, as the package names it first."""
    yield Helm()
