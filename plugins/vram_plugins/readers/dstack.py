"""dstack: the commands of a service, a task or a development environment, and its `resources.gpu` (docs, reference of `.dstack.yml`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.compose import environment_pairs
from vram_plugins.readers.documents import Block, Items, Text, documents, number, text_at
from vram_plugins.readers.gpu_names import gpu_named, uncertain
from vram_plugins.readers.launch import Process, pinned, servers, unpinned

KIND = re.compile(r"^type:[ \t]*[\"']?(?:service|task|dev-environment)\b", re.MULTILINE)
_MEMORY = re.compile(r"\d+(?:\.\d+)?\s*[MGT]B(?:\.\.(?:\d+\s*[MGT]B)?)?|\.\.\d+\s*[MGT]B", re.IGNORECASE)
_VENDORS = {"nvidia", "amd", "google", "intel", "tenstorrent"}


class Dstack(DeploymentReader):
    """The servers of a configuration."""

    name = "dstack"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return KIND.search(text.text) is not None and "commands" in text.text

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return [server for document in documents(text.path, text.text) for server in _servers(text, document)]


def _servers(text: DeploymentText, document: Block) -> Iterator[FoundServer]:
    commands = document.get("commands")
    if not isinstance(commands, Items) or not commands.texts():
        return
    gpu, gpus, devices, left_out = _asked(document.at("resources", "gpu"))
    nodes = number(document.get("nodes")) or 1
    environment = {name: str(value) for name, value in environment_pairs(document.get("env")) if value is not None}
    own = {"DSTACK_NODES_NUM": str(nodes), "DSTACK_NODE_RANK": "0"}
    if gpus is not None:
        own |= {"DSTACK_GPUS_NUM": str(gpus * nodes), "DSTACK_GPUS_PER_NODE": str(gpus)}
    script = _script(commands.texts())
    yield from servers(
        text,
        Process(
            line=document.line_of("commands"),
            kind="dstack",
            name=document.text("name") or "",
            argv=("bash", "-c", script),
            replaces=True,
            image=document.text("image"),
            vllm_version=pinned(script),
            newest=unpinned(script),
            environment={**environment, **own},
            devices=devices,
            gpu=gpu,
            gpus=gpus,
            nodes=nodes,
            assumed=uncertain(devices[0], gpu) if devices else (),
            left_out=left_out,
        ),
    )


def _script(commands: Sequence[str]) -> Text:
    """The commands as one script, each in its own line of the file."""
    first = getattr(commands[0], "line", 1)
    lines: list[str] = []
    for command in commands:
        lines += [""] * (getattr(command, "line", first) - first - len(lines))
        lines += command.split("\n")
    return text_at("\n".join(lines), first)


def _asked(asked: Any) -> tuple[str | None, int | None, tuple[str, ...], tuple[str, ...]]:
    """The GPU, how many of it, all that is named, and what is not told: `H100:8`, `24GB`, `A100:80GB:2`, or a mapping of the same."""
    if isinstance(asked, Block):
        names = asked.get("name")
        named = names.texts() if isinstance(names, Items) else [names] if isinstance(names, Text) else []
        memory, count = asked.text("memory"), asked.text("count")
        parts = [*named, *([asked.text("vendor") or ""] if asked.text("vendor") else [])]
    else:
        words = [word.strip() for word in str(asked or "").split(":") if word.strip()]
        memory = next((word for word in words if _MEMORY.fullmatch(word)), None)
        count = next((word for word in words if re.fullmatch(r"\d+(?:\.\.\d*)?", word)), None)
        parts = [part for word in words if word not in {memory, count} for part in word.split(",")]
    names_of = [part for part in parts if part.lower() not in _VENDORS]
    devices = tuple(f"{part.lower()}.com/gpu" if part.lower() == "amd" else part for part in parts)
    gpus = number(count) if count else 1 if asked is not None else None
    if len(names_of) != 1:
        return None, gpus, devices, ("the GPU, which may be any of several",) if asked is not None else ()
    exact = memory if memory and ".." not in memory else ""
    gpu = gpu_named(f"{names_of[0]}-{exact}") if exact else None
    gpu = gpu or gpu_named(names_of[0])
    return gpu, gpus, devices, () if gpu else ("the GPU of resources, which is not known here",)


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return Dstack()
