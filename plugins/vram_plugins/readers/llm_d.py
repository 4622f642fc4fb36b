"""llm-d's modelservice chart: `modelArtifacts`, and `decode` and `prefill` with their containers (templates/_helpers.tpl).

`modelCommand` says who writes the command: the chart (`vllmServe`), the chart's arguments to the image's own entrypoint
(`imageDefault`), or the file (`custom`, the default).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.containers import Around, process_of
from vram_plugins.readers.documents import Block, Items, documents, empty, number, text_at, truth
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.storage import stored_model

_VALUE = re.compile(r"\{\{-?\s*\.Values\.([\w.]+)\s*-?\}\}")
_RESOURCES = {
    "nvidia": "nvidia.com/gpu",
    "amd": "amd.com/gpu",
    "google": "google.com/tpu",
    "intel-gaudi": "habana.ai/gaudi",
    "intel-i915": "gpu.intel.com/i915",
    "intel-xe": "gpu.intel.com/xe",
    "cpu": "device:cpu",
}
_MAX_DEPTH = 3


class LlmD(DeploymentReader):
    """One server a role."""

    name = "llm-d"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        return "modelArtifacts" in text.text and ("decode" in text.text or "prefill" in text.text)

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        found: list[FoundServer] = []
        for document in documents(text.path, text.text):
            for values in _charts(document, 0):
                for role in ("decode", "prefill"):
                    found += _role(text, values, role)
        return found


def _charts(node: Any, depth: int) -> Iterator[Block]:
    if isinstance(node, Block) and depth <= _MAX_DEPTH:
        if isinstance(node.get("modelArtifacts"), Block):
            yield node
            return
        for value in node.values():
            yield from _charts(value, depth + 1)


def _role(text: DeploymentText, values: Block, role: str) -> Iterator[FoundServer]:
    spec = values.block(role)
    if role not in values or truth(spec.get("create")) is False or spec.text("replicas") == "0":
        return
    sizes = spec.block("parallelism")
    tensor, data, local, workers = _sizes(sizes)
    variables = {"TP_SIZE": str(tensor), "DP_SIZE": str(data), "DP_SIZE_LOCAL": str(local)}
    multinode = truth(values.get("multinode")) is True
    group = (
        {"LWS_GROUP_SIZE": str(workers), "LWS_WORKER_INDEX": "0", "LWS_LEADER_ADDRESS": "leader"} if multinode else {}
    )
    for container in spec.blocks("containers"):
        around = Around(environment={**variables, **group})
        process = process_of(container, _pod(spec), kind="values", name=role, around=around)
        process = evolve(process, nodes=workers if multinode else 1)
        process = _on(process, values, tensor * local)
        yield from servers(text, _commanded(process, container, values, tensor, data, local))


def _sizes(sizes: Block) -> tuple[int, int, int, int]:
    """Tensor, data, local data parallel sizes and workers, as the chart completes them."""
    tensor = number(sizes.get("tensor")) or 1
    data, local, workers = (number(sizes.get(key)) for key in ("data", "dataLocal", "workers"))
    whole = data or (local or 1) * (workers or 1)
    mine = local or (data // workers if data and workers else data) or 1
    machines = workers or (data // local if data and local else 1)
    return tensor, whole, mine, max(1, machines)


def _commanded(process: Process, container: Block, values: Block, tensor: int, data: int, local: int) -> Process:
    how = container.text("modelCommand") or "custom"
    if how == "custom":
        return process
    words = [_model(values)]
    for size, flag in (
        (tensor, "--tensor-parallel-size"),
        (data, "--data-parallel-size"),
        (local, "--data-parallel-size-local"),
    ):
        if size > 1:
            words += [flag, str(size)]
    served = values.text("modelArtifacts", "name")
    words += ["--served-model-name", served] if served else []
    front = ["vllm", "serve"] if how == "vllmServe" else []
    if how == "imageDefault":
        words.insert(0, "--model")
    return evolve(process, argv=(*front, *words, *process.argv), replaces=how == "vllmServe")


def _model(values: Block) -> str:
    uri = _filled(values.text("modelArtifacts", "uri") or "", values).replace('"', "")
    stored = stored_model(uri)
    if stored:
        return stored.model
    scheme, _, rest = uri.partition("://")
    folder = values.text("modelArtifacts", "mountPath") or "/model-cache"
    if scheme == "pvc+hf":
        return "/".join(rest.split("/")[-2:])
    return f"{folder}/{rest.partition('/')[2]}" if scheme == "pvc" else uri


def _filled(text: str, values: Block) -> str:
    """`{{ .Values.a.b }}` put in, which the chart renders inside values."""
    return _VALUE.sub(lambda match: values.text(*match[1].split(".")) or match[0], text)


def _on(process: Process, values: Block, gpus: int) -> Process:
    """The chart asks for as many accelerators as the sizes need where the container asks for none."""
    kind = values.text("accelerator", "type") or "nvidia"
    resource = values.text("accelerator", "resources", kind) or _RESOURCES.get(kind, "nvidia.com/gpu")
    if process.gpus is None and resource == "nvidia.com/gpu":
        process = evolve(process, gpus=gpus)
    return evolve(process, devices=(*process.devices, resource))


def _pod(spec: Block) -> Block:
    """The role's node selector, `acceleratorTypes` as the affinity that the chart makes of it."""
    types = spec.block("acceleratorTypes")
    pod = empty(spec.line)
    pod["nodeSelector"] = spec.get("nodeSelector")
    pod["affinity"] = spec.get("affinity") or spec.at("extraConfig", "affinity")
    pod["volumes"] = spec.get("volumes")
    key, values = types.text("labelKey"), types.get("labelValues")
    if key and isinstance(values, Items) and len(values.texts()) == 1:
        selector = empty(types.line)
        for name, value in (*spec.block("nodeSelector").items(), (key, text_at(values.texts()[0], types.line))):
            selector[name] = value
        pod["nodeSelector"] = selector
    return pod


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return LlmD()
