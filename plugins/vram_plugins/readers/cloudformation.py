"""CloudFormation: scripts that its machines run when they start; and for whoever reads its containers, parameters at their defaults.

References are the intrinsic functions of AWS's documentation: `Ref`, `Fn::Sub`, `Fn::Join` and `Fn::Base64`, as tags or as keys. What
is known only to the cloud stays `${Name}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.documents import Block, Items, Text, documents, empty, items_at, text_at
from vram_plugins.readers.gpu_names import Machine, machine
from vram_plugins.readers.machine_scripts import scripted

_NEEDLE = re.compile(r"AWSTemplateFormatVersion|\bAWS::(?:EC2|ECS|Batch)::")
_PUT = re.compile(r"\$\{(!?)([A-Za-z][\w:.]*)\}")
_MAX_DEPTH = 24


class CloudFormation(DeploymentReader):
    """One server for each command in the user data of a machine."""

    name = "cloudformation"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        named = text.path.lower().endswith((".json", ".yaml", ".yml", ".template"))
        return named and "UserData" in text.text and "vllm" in text.text and _NEEDLE.search(text.text) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return [one for block in documents(text.path, text.text) for one in _servers(text, resolved(block))]


def _servers(text: DeploymentText, template: Block) -> Iterator[FoundServer]:
    for name, resource in template.block("Resources").items():
        properties = resource.block("Properties") if isinstance(resource, Block) else empty(template.line)
        for holding in (properties, properties.block("LaunchTemplateData")):
            script = holding.get("UserData")
            if not isinstance(script, Text):
                continue
            held = machine(holding.text("InstanceType") or "")
            for server in scripted(text, script):
                placed = _on(server, held) if held is not None else on_machines(server, template)
                yield evolve(placed, kind="cloudformation", name=name)


def _on(server: FoundServer, held: Machine) -> FoundServer:
    gpus = held.count if server.gpus is None else server.gpus
    return evolve(server, gpu=server.gpu or held.gpu, gpus=gpus)


def on_machines(server: FoundServer, template: Block) -> FoundServer:
    """A server on the only machines with GPUs that its template makes, where it says none."""
    if server.gpu is not None or server.status != "vllm":
        return server
    types = set(_instance_types(template.get("Resources"), 0))
    gpus = {held.gpu for one in types if (held := machine(one)) is not None}
    if len(gpus) != 1:
        return server
    gpu = gpus.pop()
    how = f"it runs on the only machines with GPUs that are made here ({gpu})"
    return evolve(server, gpu=gpu, assumed=(*server.assumed, how))


def _instance_types(value: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        return
    for key, inner in value.items() if isinstance(value, Block) else ():
        if key in {"InstanceType", "InstanceTypes"}:
            yield from [inner] if isinstance(inner, Text) else inner.texts() if isinstance(inner, Items) else ()
        yield from _instance_types(inner, depth + 1)
    for inner in value if isinstance(value, Items) else ():
        yield from _instance_types(inner, depth + 1)


def resolved(template: Block) -> Block:
    """A template with its parameters at their defaults; any other mapping as it is."""
    if "Resources" not in template:
        return template
    parameters = template.block("Parameters").items()
    known = {name: one.text("Default") for name, one in parameters if isinstance(one, Block)}
    given = {name: str(value) for name, value in known.items() if value is not None}
    whole = empty(template.line)
    for key, value in template.items():
        whole[key] = _put(value, given, 0) if key == "Resources" else value
        whole.lines[key] = template.line_of(key)
    return whole


def _put(value: Any, given: Mapping[str, str], depth: int) -> Any:
    if isinstance(value, Text):
        return text_at(_PUT.sub(lambda m: f"${{{m[2]}}}" if m[1] else given.get(m[2], m[0]), value), value.line)
    if depth > _MAX_DEPTH:
        return value
    if isinstance(value, Items):
        return items_at((_put(inner, given, depth + 1) for inner in value), value.line)
    if not isinstance(value, Block):
        return value
    made = _function(value, given, depth) if len(value) == 1 else None
    if made is not None:
        return made
    block = empty(value.line)
    for key, inner in value.items():
        block[key] = _put(inner, given, depth + 1)
        block.lines[key] = value.line_of(key)
    return block


def _function(value: Block, given: Mapping[str, str], depth: int) -> Text | None:
    """The text that an intrinsic function gives; None where it is none, or not one of texts."""
    ((name, argument),) = value.items()
    if name == "Ref" and isinstance(argument, Text):
        return text_at(given.get(argument, f"${{{argument}}}"), argument.line)
    if name == "Fn::Sub" and isinstance(argument, Items) and len(argument) == 2 and isinstance(argument[1], Block):
        own = {
            key: str(held) for key, inner in argument[1].items() if isinstance(held := _put(inner, given, depth), Text)
        }
        argument, given = argument[0], {**given, **own}
    if name in {"Fn::Sub", "Fn::Base64"}:
        inner = _put(argument, given, depth + 1)
        return inner if isinstance(inner, Text) else None
    if name == "Fn::Join" and isinstance(argument, Items) and len(argument) == 2 and isinstance(argument[1], Items):
        parts = [_put(one, given, depth + 1) for one in argument[1]]
        if all(isinstance(part, Text) for part in parts):
            return text_at(str(argument[0] or "").join(parts), argument[1].line)
    return None


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return CloudFormation()
