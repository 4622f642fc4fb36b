"""Containers that a cloud is asked for in JSON or YAML: ECS task definitions, Batch job definitions (as the AWS CLI and CloudFormation
have them), Azure's container groups, and templates of hosts of GPUs (RunPod's `imageName` with `dockerArgs`).

Keys are those of the services' APIs; CloudFormation and SDKs write them with a capital, which is taken for the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.cloudformation import on_machines, resolved
from vram_plugins.readers.documents import Block, Items, Text, documents, empty, number
from vram_plugins.readers.gpu_names import gpu_named, machine, uncertain
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.splitting import split_words

_NEEDLE = re.compile(
    r"""["']?(?:[cC]ontainerDefinitions|[cC]ontainerProperties|imageName|dockerArgs|containerDiskInGb)["']?[ \t]*:|containerGroups"""
)
_LISTS = ("containerDefinitions", "containers")
_ONE = ("containerProperties",)
_IMAGES = ("image", "imageName")
_GIVEN = ("command", "dockerArgs", "dockerStartCmd")
_MAX_DEPTH = 10


class CloudTasks(DeploymentReader):
    """One server for each container."""

    name = "cloud-tasks"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        named = text.path.lower().endswith((".json", ".yaml", ".yml", ".template"))
        return named and "vllm" in text.text.lower() and _NEEDLE.search(text.text) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return [
            on_machines(one, block)
            for block in map(resolved, documents(text.path, text.text))
            for one in _servers(text, block, "", 0)
        ]


def _servers(text: DeploymentText, node: Any, name: str, depth: int) -> Iterator[FoundServer]:
    """The servers of every container below a node."""
    if depth > _MAX_DEPTH:
        return
    for inner in node if isinstance(node, Items) else ():
        yield from _servers(text, inner, name, depth + 1)
    if not isinstance(node, Block):
        return
    whole = _small(node)
    name = whole.text("family") or whole.text("jobDefinitionName") or name
    if "dockerArgs" in whole or "imageName" in whole:
        yield from servers(text, _process(whole, name))
        return
    for key, value in whole.items():
        listed = value if key in _LISTS and isinstance(value, Items) else [value] if key in _ONE else None
        if listed is None:
            yield from _servers(text, value, name, depth + 1)
            continue
        for container in listed:
            if isinstance(container, Block):
                yield from servers(text, _process(_small(container), name))


def _process(container: Block, name: str) -> Process:
    inner = _small(container.block("properties")) if "properties" in container else container  # Azure's
    image = next((one for key in _IMAGES if (one := inner.text(key))), None)
    entry = _words(inner.get("entryPoint", inner.get("dockerEntrypoint")))
    azure = inner is not container
    gpu, gpus, devices, assumed = _hardware(inner)
    return Process(
        line=container.line,
        kind="container",
        name=container.text("name") or name,
        argv=(*entry, *next((_words(inner[key]) for key in _GIVEN if inner.get(key) is not None), ())),
        replaces=bool(entry) or azure,
        image=image,
        environment=dict(_environment(inner)),
        devices=devices,
        gpu=gpu,
        gpus=gpus,
        assumed=assumed,
    )


def _hardware(container: Block) -> tuple[str | None, int | None, tuple[str, ...], tuple[str, ...]]:
    """The GPU, the number, devices and what is assumed: `resourceRequirements` of AWS, `resources` of Azure, a host's type of GPU."""
    for asked in map(_small, container.blocks("resourceRequirements")):
        if (asked.text("type") or "").upper() == "GPU":
            return None, number(asked.get("value")), ("nvidia",), ()
    azure = container.block("resources", "requests", "gpu")
    kinds = container.get("gpuTypeIds", container.get("gpuTypeId", azure.get("sku")))
    named = {
        gpu_named(str(kind)) for kind in (kinds if isinstance(kinds, Items) else [kinds]) if isinstance(kind, Text)
    }
    gpu = named.pop() if len(named) == 1 else None
    label = str(kinds) if isinstance(kinds, Text) else ""
    held = machine(container.text("instanceType") or "")
    if held is not None:
        return held.gpu, held.count, ("nvidia",), ()
    return gpu, number(container.get("gpuCount", azure.get("count"))), ("nvidia",) if gpu else (), uncertain(label, gpu)


def _environment(container: Block) -> Iterator[tuple[str, str]]:
    held = container.get("environment", container.get("environmentVariables", container.get("env")))
    if isinstance(held, Block):
        yield from ((key, str(value)) for key, value in held.items() if isinstance(value, Text))
    for item in map(_small, (one for one in held if isinstance(one, Block)) if isinstance(held, Items) else ()):
        name, value = item.text("name") or item.text("key"), item.text("value")
        if name and value is not None:
            yield name, value


def _words(value: Any) -> list[str]:
    """Words of a list, in which a reference of CloudFormation is a value that nothing here tells; of a text as a shell has them."""
    if isinstance(value, Text):
        return split_words(value)
    return [str(one) if isinstance(one, Text) else "${Ref}" for one in value] if isinstance(value, Items) else []


def _small(block: Block) -> Block:
    """A mapping with keys that begin as the API's do."""
    if not any(key[:1].isupper() for key in block):
        return block
    found = empty(block.line)
    for key, value in block.items():
        name = key[:1].lower() + key[1:]
        found[name] = value
        found.lines[name] = block.line_of(key)
    return found


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return CloudTasks()
