"""Values of any other chart whose image is vLLM's: read where they hold the command, named as not understood where a template makes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.containers import Around, process_of, words_of
from vram_plugins.readers.documents import Block, Items, Text, documents, empty, items_at, number, text_at
from vram_plugins.readers.dstack import KIND
from vram_plugins.readers.engines import device_of, engine_of, is_vllm_image, runs_on
from vram_plugins.readers.launch import Process, servers

_REPOSITORY = re.compile(r"""\b(?:repository|image)["']?[ \t]*:""")
_MAX_DEPTH = 6
#: keys under which charts put whole commands, outermost first
_COMMANDS = (("command", "args"), ("server.command", "server.args"), ("image.command", "image.args"))
#: keys by which values around an image say what it serves, or with which flags
_TELL = re.compile(r"model|vllm|engine|args$|arguments$|flags$|config$", re.IGNORECASE)
_NAMED_VALUES = re.compile(r"(?:^|/)(?:values[\w.-]*|[\w.-]*[-_.]values)\.ya?ml$", re.IGNORECASE)
#: a model by organisation and name, with or without a scheme, in quotes or not
_MODEL = re.compile(r"(?:hf://)?[\w.-]+/[\w.-]*\d[\w.-]*")
_MODEL_KEY = re.compile(r"(?:model|model[-_]?(?:name|id|path|url|uri)|hf[-_]?model|name|uri|url|repo)", re.IGNORECASE)
#: a whole command of vLLM's in one text
_WHOLE = re.compile(r"\s*(?:\S*python3? -m vllm\.entrypoints|vllm serve)\s")
_UNKNOWN = (
    "holds values of a chart, of which only the chart's templates make a command (check what `helm template` prints)"
)


class HelmValues(DeploymentReader):
    """Values of a chart that nobody here knows."""

    name = "helm-values"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        held = text.text
        known = (
            "apiVersion:",
            "servingEngineSpec",
            "modelArtifacts",
            "services:",
            "accelerators:",
            "docker_server",
            "min_vllm_version",
            "docker_container:",
            "podman_container:",
            "ontainerDefinitions",
            "ontainerProperties",
            "dockerArgs",
        )
        return (
            "vllm" in held
            and (_REPOSITORY.search(held) is not None or _NAMED_VALUES.search(text.path) is not None)
            and not any(word in held for word in known)
            and not KIND.search(held)
        )

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return [server for document in documents(text.path, text.text) for server in servers_of_values(text, document)]


def servers_of_values(text: DeploymentText, values: Block) -> Iterator[FoundServer]:
    """The servers in values of some chart."""
    charts = list(_charts(values, values, "", 0))
    for found, placed, name in charts:
        yield from _servers(text, found, placed, name)
    if not charts and _NAMED_VALUES.search(text.path) is not None:
        yield from list(_whole_commands(text, values)) or _without_image(values)


def _whole_commands(text: DeploymentText, values: Block) -> Iterator[FoundServer]:
    """Values that leave the image to the chart and hold the command."""
    for key, holding in (("", values), *((k, v) for k, v in values.items() if isinstance(v, Block))):
        for command in holding.values():
            if isinstance(command, Text) and _WHOLE.match(command):
                shell = items_at([text_at(word, command.line) for word in ("sh", "-c", command)], command.line)
                process = _process(holding, holding if "nodeSelector" in holding else values, key, shell, None)
                yield from servers(text, evolve(process, line=command.line))


def _without_image(values: Block) -> Iterator[FoundServer]:
    """Values that leave the image to the chart and give vLLM, by its name, a model."""
    for key, holding in (("", values), *((k, v) for k, v in values.items() if isinstance(v, Block))):
        beside = any("vllm" in other.lower() for other in (key, *holding))
        named = next((other for other in holding if beside and _names_model(holding, other)), None)
        if named is not None:
            yield FoundServer(
                line=holding.line_of(named), kind="values", name=key, status="not_understood", problem=_UNKNOWN
            )
            return


def _names_model(holding: Block, key: str) -> bool:
    """Whether a key, or one below it, has a model's name."""
    if not re.search("model", key, re.IGNORECASE):
        return False
    value = holding[key]
    texts = [v for k, v in value.items() if _MODEL_KEY.fullmatch(k)] if isinstance(value, Block) else [value]
    return any(isinstance(one, Text) and _MODEL.fullmatch(one) is not None for one in texts)


def _charts(node: Any, placed: Block, name: str, depth: int) -> Iterator[tuple[Block, Block, str]]:
    """Mappings with an image of vLLM's, the nearest one around them that chooses nodes, and the key they stand under."""
    if isinstance(node, Items):
        for item in node:
            yield from _charts(item, placed, item.text("name") or name if isinstance(item, Block) else name, depth + 1)
    if not isinstance(node, Block) or depth > _MAX_DEPTH:
        return
    choosing = (node, node.block("pod"), node.block("defaultPodOptions"))
    placed = next((one for one in choosing if "nodeSelector" in one or "affinity" in one), placed)
    if is_vllm_image(_image(node)):
        yield node, placed, name
        return
    for key, value in node.items():
        yield from _charts(value, placed, str(key), depth + 1)


def _image(values: Block) -> str | None:
    image = values.get("image")
    if not isinstance(image, Block):
        return values.text("image")
    parts = [part for part in (image.text("registry"), image.text("repository") or image.text("name")) if part]
    return ":".join(p for p in ("/".join(parts), image.text("tag")) if p) if parts else None


def _servers(text: DeploymentText, values: Block, placed: Block, name: str) -> Iterator[FoundServer]:
    for command_key, args_key in _COMMANDS:
        command, args = values.at(*command_key.split(".")), values.at(*args_key.split("."))
        if not words_of(command) and not words_of(args):
            continue
        found = list(servers(text, _process(values, placed, name, command, args)))
        told = any(one.status == "vllm" or (one.problem or "").startswith(("needs ", "vllm_version")) for one in found)
        if told or words_of(command):
            yield from found
            return
        break
    if any(_TELL.search(key) for key, value in values.items() if value not in (None, "")):
        yield _unknown(values, name)


def _process(values: Block, placed: Block, name: str, command: Any, args: Any) -> Process:
    container = empty(values.line)
    for key in ("resources", "env", "envFrom", "volumeMounts"):
        if key in values:
            container[key] = values[key]
    container["command"], container["args"] = command, args
    image = _image(values)
    container["image"] = text_at(image, values.line) if image else None
    process = process_of(container, placed, kind="values", name=name, around=Around())
    gpus = process.gpus if process.gpus is not None else number(values.get("gpus"))
    how = "the chart gives these words to the container as they stand"
    return evolve(process, gpus=gpus, assumed=(*process.assumed, how), nodes=number(values.get("nodes")) or 1)


def _unknown(values: Block, name: str) -> FoundServer:
    image = _image(values)
    engine, device = engine_of(image, ()), device_of(image, (), {}, values.block("resources", "limits"))
    found = FoundServer(line=values.line, kind="values", name=name, image=image, status="not_vllm")
    if engine:
        return evolve(found, problem=f"runs {engine}")
    if device:
        return evolve(found, problem=runs_on(device))
    return evolve(found, status="not_understood", problem=_UNKNOWN)


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return HelmValues()
