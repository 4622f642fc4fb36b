"""Ansible: tasks that start a container, run a command, write a unit, a script or a manifest, or apply an object of Kubernetes.

Variables are those of the play, of the task and of the role's defaults; nothing of an inventory is known (Ansible's docs,
"Using variables": variable precedence).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.compose import environment_pairs
from vram_plugins.readers.documents import Block, Items, Text, documents, number, text_at
from vram_plugins.readers.jinja import filled
from vram_plugins.readers.kubernetes import servers_in
from vram_plugins.readers.launch import Process, servers, shown_program
from vram_plugins.readers.manifests import Manifest, around
from vram_plugins.readers.shell_servers import script_servers
from vram_plugins.readers.splitting import split_words

#: a list of plays or tasks is all that such a file holds
_LIST = re.compile(r"(?:[^\S\n]*(?:#[^\n]*|---[^\n]*)?\n)*- ")
_MODULE = re.compile(
    r"^[ \t]+(?:- )?(?:[a-z_]+\.[a-z_]+\.)?(?:docker_container|podman_container|shell|command|raw|copy|template|k8s)[ \t]*:",
    re.MULTILINE,
)
#: what no variable at hand fills, which a shell would take for several words
_BLANKS = re.compile(r"\{\{([^{}\n]{1,120})\}\}")
_DEFAULTS = (
    "../defaults/main.yml",
    "../defaults/main.yaml",
    "../vars/main.yml",
    "group_vars/all.yml",
    "../group_vars/all.yml",
)
_TASKS = ("tasks", "pre_tasks", "post_tasks", "handlers", "block", "rescue", "always")
_CONTAINERS = {"docker_container", "podman_container"}
_SCRIPTS = {"shell", "command", "raw"}
_MAX_DEPTH, _MAX_ROUNDS = 8, 16
#: names of templates that start something, and of manifests and settings that start nothing
_STARTS = re.compile(
    r"(?:.*[-_.])?(?:deploy\w*|compose|stateful\w*|daemonset|pod|job|vllm|serve\w*|start|run|launch)(?:[-_.][\w.-]*)?"
    r"\.(?:ya?ml|sh|service|container|kube|nomad|hcl)(?:\.j2)?"
)
_STARTS_NOTHING = re.compile(
    r"(?:service|svc|ingress|route|namespace|ns|pvc|secret|config(?:map)?|monitor|hpa|policy)\.ya?ml(?:\.j2)?$"
)


class Ansible(DeploymentReader):
    """One server for each task that starts one, and for each item of its loop."""

    name = "ansible"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        return (
            text.path.lower().endswith((".yml", ".yaml"))
            and "vllm" in text.text.lower()
            and _LIST.match(text.text) is not None
            and _MODULE.search(text.text) is not None
        )

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        defaults = defaults_of(text)
        return [one for block in documents(text.path, text.text) for one in _servers(text, block, defaults, 0)]


def defaults_of(text: DeploymentText) -> dict[str, Any]:
    """Variables of the role and of all hosts, as files beside this one have them."""
    found: dict[str, Any] = {}
    for name in _DEFAULTS:
        content = text.beside(name)
        for block in documents(name, content) if content is not None else ():
            found |= block
    return found


def _servers(text: DeploymentText, block: Block, outer: Mapping[str, Any], depth: int) -> Iterator[FoundServer]:
    """The servers of a play, of a block of tasks, or of a task."""
    if depth > _MAX_DEPTH:
        return
    variables = {**outer, **block.block("vars")}
    for key in _TASKS:
        for task in block.blocks(key):
            yield from _servers(text, task, variables, depth + 1)
    modules = {key.rsplit(".", 1)[-1]: key for key in block}
    for module in modules.keys() & (_CONTAINERS | _SCRIPTS | {"copy", "template", "k8s"}):
        for item in _items(block, variables):
            scope = {**variables, "item": item} if item is not None else variables
            given = filled(block[modules[module]], scope)
            line = block.line_of(modules[module])
            rendered = _source(module, given)
            found = _templated(text, rendered, given, scope, line) if rendered else _task(text, module, given, line)
            for server in found:
                yield evolve(server, kind="ansible", name=server.name or str(block.text("name") or "")[:80])


def _items(task: Block, variables: Mapping[str, Any]) -> list[Any]:
    """What a task's loop goes over; one round without an item where there is none or nothing here tells."""
    over = task.get("loop", task.get("with_items"))
    over = filled(over, variables) if over is not None else None
    return list(over)[:_MAX_ROUNDS] or [None] if isinstance(over, Items) else [None]


def _task(text: DeploymentText, module: str, given: Any, line: int) -> Iterator[FoundServer]:
    if module in _CONTAINERS and isinstance(given, Block):
        yield from servers(text, _container(given, line))
    elif module in _SCRIPTS:
        script = given if isinstance(given, Text) else given.text("cmd") if isinstance(given, Block) else None
        whole = _BLANKS.sub(lambda match: "{{" + re.sub(r"\s+", "", match[1]) + "}}", str(script or ""))
        for server in script_servers(text, whole):
            yield evolve(server, line=server.line + getattr(script, "line", line) - 1)
    elif module == "copy" and isinstance(given, Block):
        content, target = given.text("content"), given.text("dest") or ""
        if isinstance(content, Text):
            yield from text.within(target.removesuffix(".j2"), str(content), content.line)
    elif module == "k8s" and isinstance(given, Block):
        yield from _object(text, given.block("definition"))


def _source(module: str, given: Any) -> str | None:
    """The template that a task renders: that of `template`, and of `k8s`, which takes a path or a mapping with one."""
    if not isinstance(given, Block) or module not in {"template", "k8s"}:
        return None
    key = "src" if module == "template" else "template"
    return given.text(key) or (given.text(key, "path") if module == "k8s" else None)


def _templated(
    text: DeploymentText, source: str, given: Block, variables: Mapping[str, Any], line: int
) -> Iterator[FoundServer]:
    """The servers of a file that is made of a template of the role's, at the task; that there may be one, where it is not at hand."""
    for folder in ("../templates/", "templates/"):
        content = text.beside(f"{folder}{source}")
        if content is None:
            continue
        whole = filled(text_at(content, 1), variables)
        target = (given.text("dest") or "").rsplit("/", 1)[-1]
        name = target if "{{" not in target and "." in target else source.rsplit("/", 1)[-1].removesuffix(".j2")
        yield from (evolve(one, line=line) for one in text.within(name, str(whole), line))
        return
    name = source.rsplit("/", 1)[-1].lower()
    of_vllm = "vllm" in f"{text.path}/{source}/{given.text('dest') or ''}".lower()
    if of_vllm and _STARTS.fullmatch(name) is not None and _STARTS_NOTHING.search(name) is None:
        problem = f"renders {shown_program(source)}, a template that is not at hand"
        yield FoundServer(line=line, kind="ansible", status="not_understood", problem=problem)


def _container(given: Block, line: int) -> Process:
    command, entrypoint = _words(given.get("command")), _words(given.get("entrypoint"))
    environment = {key: str(value) for key, value in environment_pairs(given.get("env")) if isinstance(value, Text)}
    requests = given.blocks("device_requests")
    devices = [str(one) for key in ("device", "devices") for one in given.at(key) or () if isinstance(one, Text)]
    devices += [request.text("driver") or "" for request in requests]
    cards = [device for device in devices if device.startswith("nvidia.com/gpu=")]
    counts = [_count(request) for request in requests]
    gpus = sum(c for c in counts if c is not None) if counts and None not in counts else None
    if cards and "nvidia.com/gpu=all" not in cards:
        gpus = len(cards)
    return Process(
        line=line,
        kind="ansible",
        name=given.text("name") or "",
        argv=(*entrypoint, *command),
        replaces=bool(entrypoint),
        image=given.text("image"),
        environment=environment,
        devices=tuple(device for device in devices if device),
        gpus=gpus,
    )


def _count(request: Block) -> int | None:
    """GPUs of a request; -1, and no count, are all of them."""
    ids = request.get("device_ids")
    return len(ids) if isinstance(ids, Items) else number(request.get("count"))


def _words(value: Any) -> list[str]:
    if isinstance(value, Items):
        return list(value.texts())
    return split_words(value) if isinstance(value, Text) else []  # the module splits a text as a shell would


def _object(text: DeploymentText, block: Block) -> Iterator[FoundServer]:
    kind, name = block.text("kind"), block.text("metadata", "name") or ""
    if kind is not None:
        group = (block.text("apiVersion") or "").rpartition("/")[0]
        one = Manifest(kind=str(kind), group=group, name=str(name), block=block)
        yield from servers_in(text, [one], around([one]))


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return Ansible()
