"""Terraform: containers of Kubernetes, ECS, Cloud Run and Docker resources, manifests and values in them, and scripts of machines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.documents import Block, Items, Text, text_at
from vram_plugins.readers.hcl import Included, Unit, units_of
from vram_plugins.readers.launch import servers
from vram_plugins.readers.machine_scripts import scripted
from vram_plugins.readers.terraform_containers import containers_in, hosted, pods_in, servers_of_container
from vram_plugins.readers.terraform_helm import set_values
from vram_plugins.readers.terraform_machines import blocks_below, machine_of, only_gpu

_NEEDLE = re.compile(r"vllm|sglang|text-generation|tritonserver|ollama|lmdeploy|user_data|startup[-_]script|cloud_init")
#: resources whose containers run on machines that others make
_CLUSTERS = ("aws_ecs_", "kubernetes_", "kubectl_", "helm_release")
_SCRIPT = re.compile(r"\A#!|\bvllm serve\b|docker run|vllm\.entrypoints", re.MULTILINE)


class Terraform(DeploymentReader):
    """One server for each container or command that starts one."""

    name = "terraform"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return text.path.endswith((".tf", ".hcl", ".tofu")) and _NEEDLE.search(text.text) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return sorted(_servers(text), key=lambda server: server.line)


def _servers(text: DeploymentText) -> Iterator[FoundServer]:
    units = units_of(text.text, text.beside)
    gpu = only_gpu(units)
    for unit in units:
        if unit.kind not in {"resource", "module"}:
            continue
        kind = unit.labels[0] if unit.labels else unit.kind
        name = ".".join(unit.labels)
        found = list(_of_unit(text, unit, kind))
        if not found and unit.kind == "module" and _serves_a_model(unit.body):
            problem = "is a module's, and what that starts is not in this file"
            found = [FoundServer(line=unit.line, kind="terraform", status="not_understood", problem=problem)]
        for server in found:
            of_cluster = unit.kind == "module" or kind.startswith(_CLUSTERS)
            placed = _on_cluster(server, gpu) if of_cluster else server
            yield evolve(placed, kind="terraform", name=name)


def _on_cluster(server: FoundServer, gpu: str | None) -> FoundServer:
    """A container that does not say which machines of its cluster it runs on, where the file makes one kind with GPUs."""
    told = server.gpu is not None or server.platform or any("GPU" in one for one in server.left_out)
    if gpu is None or told or server.status != "vllm":
        return server
    how = f"it runs on the only machines with GPUs that are made here ({gpu})"
    return evolve(server, gpu=gpu, assumed=(*server.assumed, how))


def _serves_a_model(body: Block) -> bool:
    """Whether a module is given a model and something of vLLM's."""
    given = any("vllm" in key.lower() for key in body) or "vllm" in (body.text("source") or "").lower()
    return given and any(re.fullmatch(r"(?:\w+_)?model(?:_(?:id|name|path))?", key.lower()) for key in body)


def _of_unit(text: DeploymentText, unit: Unit, kind: str) -> Iterator[FoundServer]:
    gpu, gpus, assumed = machine_of(unit.body)
    if kind.startswith("kubernetes_") and kind != "kubernetes_manifest":
        yield from pods_in(text, unit.body)
        return
    if kind in {"kubernetes_manifest", "kubectl_manifest", "helm_release"}:
        yield from _manifests(text, unit.body, values=kind == "helm_release")
        return
    containers = list(containers_in(unit.body))
    for container in containers:
        for server in servers_of_container(text, container, unit.body):
            yield _with(server, gpu, gpus, assumed)
    if containers:
        return
    for process in hosted(unit.body):
        for server in servers(text, process):
            yield _with(server, gpu, gpus, assumed)
        return
    for script in _scripts(unit.body):
        for server in scripted(text, script):
            placed = evolve(server, line=script.line) if isinstance(script, Included) else server
            yield _with(placed, gpu, gpus, assumed)


def _with(server: FoundServer, gpu: str | None, gpus: int | None, assumed: tuple[str, ...]) -> FoundServer:
    return evolve(
        server,
        gpu=server.gpu or gpu,
        gpus=server.gpus if server.gpus is not None else gpus,
        assumed=(*server.assumed, *assumed),
    )


def _manifests(text: DeploymentText, body: Block, *, values: bool) -> Iterator[FoundServer]:
    name = "values.yaml" if values else "manifest.yaml"
    changed = set_values(body) if values else None
    if changed is not None:
        line = body.line_of("set")
        yield from (evolve(s, line=line) for s in text.within(name, json.dumps(_plain(changed)), line))
        return
    for key in ("manifest", "yaml_body", "values"):
        held = body.get(key)
        for one in held if isinstance(held, Items) else [held]:
            if isinstance(one, Text):
                yield from text.within(name, str(one), one.line)
            elif isinstance(one, Block):
                content = json.dumps(_plain(one))
                yield from (evolve(s, line=body.line_of(key)) for s in text.within(name, content, body.line_of(key)))


def _plain(value: Any) -> Any:
    if isinstance(value, Block):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, Items):
        return [_plain(item) for item in value]
    return int(value) if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 12 else value


def _scripts(body: Block) -> Iterator[Text]:
    """Texts that a machine runs."""
    for found in blocks_below(body, 0):
        for value in found.values():
            if isinstance(value, Text) and (_SCRIPT.search(value) or value.startswith("#cloud-config")):
                yield value
            elif isinstance(value, Items) and any(isinstance(i, Text) and _SCRIPT.search(i) for i in value):
                yield _joined(value)


def _joined(items: Items) -> Text:
    """A list of commands as one script, each at its line."""
    lines: list[str] = []
    for item in items.texts():
        lines += [""] * (getattr(item, "line", 0) - items.line - len(lines))
        lines.append(str(item))
    return text_at("\n".join(lines), items.line)


def reader() -> Terraform:
    """The reader of Terraform."""
    return Terraform()
