"""Terraform: containers of Kubernetes, ECS, Cloud Run and Docker resources, manifests and values in them, and scripts of machines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.containers import Around, pod_servers
from vram_plugins.readers.documents import Block, Items, Text, documents, empty, items_at, number, text_at
from vram_plugins.readers.engines import is_vllm_image
from vram_plugins.readers.gpu_names import gpu_named, machine, uncertain
from vram_plugins.readers.hcl import Included, Unit, units_of
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.shell_servers import script_servers
from vram_plugins.readers.splitting import split_words

_NEEDLE = re.compile(r"vllm|sglang|text-generation|tritonserver|ollama|lmdeploy|user_data|startup[-_]script|cloud_init")
_MACHINES = (
    "instance_type",
    "machine_type",
    "vm_size",
    "size",
    "type",
    "plan",
    "flavor_name",
    "instance_types",
    "shape",
)
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
    for unit in units_of(text.text, text.beside):
        if unit.kind not in {"resource", "module"}:
            continue
        kind = unit.labels[0] if unit.labels else unit.kind
        name = ".".join(unit.labels)
        found = list(_of_unit(text, unit, kind))
        if not found and unit.kind == "module" and _serves_a_model(unit.body):
            problem = "is a module's, and what that starts is not in this file"
            found = [FoundServer(line=unit.line, kind="terraform", status="not_understood", problem=problem)]
        for server in found:
            yield evolve(server, kind="terraform", name=name)


def _serves_a_model(body: Block) -> bool:
    """Whether a module is given a model and something of vLLM's."""
    given = any("vllm" in key.lower() for key in body) or "vllm" in (body.text("source") or "").lower()
    return given and any(re.fullmatch(r"(?:\w+_)?model(?:_(?:id|name|path))?", key.lower()) for key in body)


def _of_unit(text: DeploymentText, unit: Unit, kind: str) -> Iterator[FoundServer]:
    gpu, gpus, assumed = _machine(unit.body)
    if kind.startswith("kubernetes_") and kind != "kubernetes_manifest":
        yield from _pods(text, unit.body)
        return
    if kind in {"kubernetes_manifest", "kubectl_manifest", "helm_release"}:
        yield from _manifests(text, unit.body, values=kind == "helm_release")
        return
    containers = list(_containers(unit.body))
    for container in containers:
        for server in _container(text, container, unit.body):
            yield _with(server, gpu, gpus, assumed)
    if containers:
        return
    for process in _hosted(unit.body):
        for server in servers(text, process):
            yield _with(server, gpu, gpus, assumed)
        return
    for script in _scripts(unit.body):
        for server in _scripted(text, script):
            placed = evolve(server, line=script.line) if isinstance(script, Included) else server
            yield _with(placed, gpu, gpus, assumed)


def _with(server: FoundServer, gpu: str | None, gpus: int | None, assumed: tuple[str, ...]) -> FoundServer:
    return evolve(
        server,
        gpu=server.gpu or gpu,
        gpus=server.gpus if server.gpus is not None else gpus,
        assumed=(*server.assumed, *assumed),
    )


def _machine(body: Block) -> tuple[str | None, int | None, tuple[str, ...]]:
    """The GPUs of a machine: its type, or the accelerators put into it."""
    for found in _blocks_below(body, 0):
        for accelerator in found.blocks("guest_accelerator"):
            label = accelerator.text("type") or ""
            gpu = gpu_named(label.rsplit("/", 1)[-1])
            return gpu, number(accelerator.get("count")), uncertain(label, gpu)
        for key in _MACHINES:
            value = found.text(key)
            held = machine(value) if value else None
            if held is not None:
                return held.gpu, held.count, ()
    return None, None, ()


def _blocks_below(value: Any, depth: int) -> Iterator[Block]:
    if depth > 12:
        return
    if isinstance(value, Block):
        yield value
    for inner in value.values() if isinstance(value, Block) else value if isinstance(value, Items) else ():
        yield from _blocks_below(inner, depth + 1)


def _pods(text: DeploymentText, body: Block) -> Iterator[FoundServer]:
    """Pods in the words of the Kubernetes provider, which are those of Kubernetes with underscores."""
    for found in _blocks_below(body, 0):
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


def _manifests(text: DeploymentText, body: Block, *, values: bool) -> Iterator[FoundServer]:
    name = "values.yaml" if values else "manifest.yaml"
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


def _containers(body: Block) -> Iterator[Block]:
    """Blocks with an image and words, and ECS' definitions."""
    for found in _blocks_below(body, 0):
        definitions = found.get("container_definitions")
        if isinstance(definitions, Text) and definitions.lstrip().startswith("["):
            yield from documents("definitions.json", str(definitions))
        elif isinstance(found.get("image"), Text) and (
            {"args", "command", "env", "resources", "gpus", "entrypoint"} & set(found)
        ):
            yield found


def _container(text: DeploymentText, container: Block, body: Block) -> Iterator[FoundServer]:
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


_IMAGES = ("container_image", "image_name", "docker_image", "image")
_GIVEN = ("args", "container_args", "docker_args", "docker_start_cmd", "command", "start_command", "cmd")
_KINDS = ("gpu_type_id", "gpu_type_ids", "gpu_type", "gpu_name", "gpu_model", "accelerator")


def _hosted(body: Block) -> Iterator[Process]:
    """A container of a host of machines with GPUs, whose resource has an image of vLLM's among its own attributes."""
    for found in _blocks_below(body, 0):
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
    for found in _blocks_below(container, 0):
        gpus = gpus or number(found.get("nvidia.com/gpu"))
        if found.text("type") == "GPU":
            gpus = gpus or number(found.get("value"))
    gpus = gpus if gpus is not None else number(container.get("gpus"))
    label = next(
        (v for b in _blocks_below(body, 0) for s in b.blocks("node_selector") if (v := s.text("accelerator"))), None
    )
    return gpus, gpu_named(label) if label else None


def _scripts(body: Block) -> Iterator[Text]:
    """Texts that a machine runs."""
    for found in _blocks_below(body, 0):
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


def _scripted(text: DeploymentText, script: Text) -> Iterator[FoundServer]:
    if not script.startswith("#cloud-config"):
        yield from (evolve(s, line=s.line + script.line - 1) for s in script_servers(text, str(script)))
        return
    for document in documents("cloud-config.yaml", str(script)):
        for command in document.get("runcmd") or ():
            words = command.texts() if isinstance(command, Items) else []
            body = command if isinstance(command, Text) else " ".join(words)
            line = getattr(command, "line", 1) + script.line - 1
            yield from (evolve(s, line=s.line + line - 1) for s in script_servers(text, str(body)))
        for file in document.blocks("write_files"):
            content = file.get("content")
            if isinstance(content, Text):
                yield from text.within(file.text("path") or "script.sh", str(content), content.line + script.line - 1)


def reader() -> Terraform:
    """The reader of Terraform."""
    return Terraform()
