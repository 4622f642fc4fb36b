"""Containers in Terraform's resources: ECS, Cloud Run and Docker by their own attributes, pods in Kubernetes' words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram_plugins.readers.containers import Around, pod_servers
from vram_plugins.readers.documents import Block, Items, Text, documents, empty, items_at, number
from vram_plugins.readers.engines import is_vllm_image
from vram_plugins.readers.gpu_names import gpu_named
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.splitting import split_words
from vram_plugins.readers.terraform_machines import blocks_below

_LISTS = {
    "container",
    "init_container",
    "env",
    "env_from",
    "volume",
    "volume_mount",
    "port",
    "toleration",
    "args",
    "command",
}


_IMAGES = ("container_image", "image_name", "docker_image", "image")
_GIVEN = ("args", "container_args", "docker_args", "docker_start_cmd", "command", "start_command", "cmd")
_KINDS = ("gpu_type_id", "gpu_type_ids", "gpu_type", "gpu_name", "gpu_model", "accelerator")


def pods_in(text: DeploymentText, body: Block) -> Iterator[FoundServer]:
    """Pods in the words of the Kubernetes provider, which are those of Kubernetes with underscores."""
    for found in blocks_below(body, 0):
        if "container" not in found:
            continue
        pod = _camel(found)
        pod["containers"] = pod.get("container")
        yield from pod_servers(text, pod, kind="terraform", name="", around=Around())


def _camel(value: Any) -> Any:
    """Blocks with Kubernetes' spelling; single blocks out of their lists, where Kubernetes has no list."""
    if isinstance(value, Items):
        return items_at((_camel(item) for item in value), value.line)
    if not isinstance(value, Block):
        return value
    found = empty(value.line)
    for key, inner in value.items():
        name = re.sub(r"_([a-z])", lambda m: m[1].upper(), key) if "/" not in key else key
        held = _camel(inner)
        if isinstance(held, Items) and len(held) == 1 and key not in _LISTS and isinstance(held[0], Block):
            held = held[0]
        found[name] = held
        found.lines[name] = value.line_of(key)
    return found


def containers_in(body: Block) -> Iterator[Block]:
    """Blocks with an image and words, and ECS' definitions."""
    for found in blocks_below(body, 0):
        definitions = found.get("container_definitions")
        if isinstance(definitions, Text) and definitions.lstrip().startswith("["):
            yield from documents("definitions.json", str(definitions))
        elif isinstance(found.get("image"), Text) and (
            {"args", "command", "env", "resources", "gpus", "entrypoint"} & set(found)
        ):
            yield found


def servers_of_container(text: DeploymentText, container: Block, body: Block) -> Iterator[FoundServer]:
    words = [*_words(container.get("entryPoint") or container.get("entrypoint")), *_words(container.get("command"))]
    replaces = "entryPoint" in container or "entrypoint" in container
    if "args" in container or any("google_cloud_run" in str(key) for key in body):
        replaces = replaces or "command" in container
    gpus, gpu = _asked(container, body)
    line = container.line if container.line > 0 else body.line
    process = Process(
        line=line,
        kind="terraform",
        argv=(*words, *_words(container.get("args"))),
        replaces=replaces,
        image=container.text("image"),
        environment=_environment(container),
        gpu=gpu,
        gpus=gpus,
    )
    yield from servers(text, process)


def hosted(body: Block) -> Iterator[Process]:
    """A container of a host of machines with GPUs, whose resource has an image of vLLM's among its own attributes."""
    for found in blocks_below(body, 0):
        image = next((one for key in _IMAGES if is_vllm_image(one := found.text(key))), None)
        if image is None:
            continue
        given = next((found[key] for key in _GIVEN if found.get(key) is not None), None)
        words = split_words(given) if isinstance(given, Text) else _words(given)
        kinds = [k for key in _KINDS for k in ([found.text(key)] if found.text(key) else _words(found.get(key)))]
        named = {gpu_named(str(kind)) for kind in kinds}
        gpu = named.pop() if len(named) == 1 else None
        yield Process(
            line=found.line if found.line > 0 else body.line,
            kind="terraform",
            argv=tuple(words),
            image=image,
            environment=_environment(found),
            gpu=gpu,
            gpus=number(found.get("gpu_count")),
        )


def _words(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, Text)] if isinstance(value, Items) else []


def _environment(container: Block) -> dict[str, str]:
    found: dict[str, str] = {}
    for key in ("env", "environment"):
        held = container.get(key)
        for item in held if isinstance(held, Items) else []:
            if isinstance(item, Block) and item.text("name") and item.text("value") is not None:
                found[str(item.text("name"))] = str(item.text("value"))
            elif isinstance(item, Text) and "=" in item:
                name, value = item.split("=", 1)
                found[name] = value
        if isinstance(held, Block):
            found |= {name: str(value) for name, value in held.items() if isinstance(value, Text)}
    return found


def _asked(container: Block, body: Block) -> tuple[int | None, str | None]:
    """The GPUs that a container asks for, and the name of what it runs on."""
    gpus = None
    for found in blocks_below(container, 0):
        gpus = gpus or number(found.get("nvidia.com/gpu"))
        if found.text("type") == "GPU":
            gpus = gpus or number(found.get("value"))
    gpus = gpus if gpus is not None else number(container.get("gpus"))
    label = next(
        (v for b in blocks_below(body, 0) for s in b.blocks("node_selector") if (v := s.text("accelerator"))), None
    )
    return gpus, gpu_named(label) if label else None
