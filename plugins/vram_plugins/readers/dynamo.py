"""NVIDIA Dynamo: the workers of a DynamoGraphDeployment, `services` of v1alpha1 or `components` of v1beta1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.containers import Around, process_of
from vram_plugins.readers.documents import Block, Items, empty, items_at, number
from vram_plugins.readers.launch import servers
from vram_plugins.readers.manifests import Manifest, around, looks_like_manifests, manifests

KINDS = {"DynamoGraphDeployment", "DynamoComponentDeployment"}
#: components that run no engine
_BESIDE = {"frontend", "planner", "epp", "router", "processor", "gateway"}


class Dynamo(DeploymentReader):
    """One server a worker."""

    name = "dynamo"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        return "Dynamo" in text.text and looks_like_manifests(text.text)

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        found = manifests(text)
        beside = around(found)
        return [
            server
            for one in found
            if one.kind in KINDS
            for name, component in _components(one)
            for server in _component(text, one, name, component, beside)
        ]


def _components(one: Manifest) -> Iterator[tuple[str, Block]]:
    spec = one.block.block("spec")
    if one.kind == "DynamoComponentDeployment":
        yield spec.text("serviceName") or one.name, spec
    for key in ("services", "components"):
        held = spec.get(key)
        if isinstance(held, Block):
            yield from ((name, component) for name, component in held.items() if isinstance(component, Block))
        elif isinstance(held, Items):
            yield from ((c.text("name") or "", c) for c in held if isinstance(c, Block))


def _component(
    text: DeploymentText, one: Manifest, name: str, component: Block, beside: Around
) -> Iterator[FoundServer]:
    kind = component.text("componentType") or component.text("type") or ("frontend" if name == "Frontend" else "")
    pod = component.block("podTemplate", "spec") or component.block("extraPodSpec")
    containers = pod.blocks("containers")
    main = next((c for c in containers if c.text("name") == "main"), containers[0] if containers else None)
    main = main if main is not None else pod.block("mainContainer")
    if kind.lower() in _BESIDE or not main:
        return
    process = process_of(_whole(component, main), pod, kind=one.kind, name=f"{one.title} {name}", around=beside)
    nodes = number(component.at("multinode", "nodeCount")) or 1
    yield from servers(text, evolve(process, line=main.line, nodes=nodes))


def _whole(component: Block, main: Block) -> Block:
    """The container with what its component says of it: GPUs by their number alone, and variables."""
    whole = empty(main.line)
    for key, value in main.items():
        whole[key] = value
    counted = component.at("resources", "limits", "gpu") or component.at("resources", "requests", "gpu")
    if counted is not None and not main.block("resources", "limits"):
        limits, resources = empty(main.line), empty(main.line)
        limits["nvidia.com/gpu"] = counted
        resources["limits"] = limits
        whole["resources"] = resources
    whole["env"] = items_at([*component.blocks("envs"), *component.blocks("env"), *main.blocks("env")], main.line)
    return whole


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return Dynamo()
