"""SkyPilot tasks: accelerators, variables and the `run` script, in one or several documents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.documents import Block, Items, Text, documents, number
from vram_plugins.readers.expand import in_shell
from vram_plugins.readers.gpu_names import gpu_named, machine
from vram_plugins.readers.launch import Process, pinned, servers, unpinned

_TASK = re.compile(r"^(?:resources|run):", re.MULTILINE)
_ACCELERATOR = re.compile(r"\b(?:accelerators|instance_type|any_of|ordered|image_id|num_nodes|infra)[\"']?\s*:")
#: in SkyPilot's catalog the plain name is the smaller of the two
_OWN_NAMES = {"A100": "A100 40GB SXM", "V100": "V100 SXM2 16GB"}


class SkyPilot(DeploymentReader):
    """The servers of a task."""

    name = "skypilot"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return _TASK.search(text.text) is not None and _ACCELERATOR.search(text.text) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return [server for task in documents(text.path, text.text) for server in _servers(text, task)]


def _servers(text: DeploymentText, task: Block) -> Iterator[FoundServer]:
    run = task.get("run")
    if not isinstance(run, Text):
        return
    environment = {
        key: str(value)
        for section in ("secrets", "envs")
        for key, value in task.block(section).items()
        if isinstance(value, Text)
    }
    names, counts, devices = _accelerators(task.block("resources"), environment)
    gpus = counts[0] if counts and len(set(counts)) == 1 else None
    nodes = number(task.get("num_nodes")) or 1
    sky = {"SKYPILOT_NUM_NODES": str(nodes), "SKYPILOT_NODE_RANK": "0"}
    if gpus is not None:
        sky["SKYPILOT_NUM_GPUS_PER_NODE"] = str(gpus)
    gpu, left_out = _one(names)
    yield from servers(
        text,
        Process(
            line=task.line_of("run"),
            kind="skypilot",
            name=task.text("name") or "",
            argv=("bash", "-c", run),
            replaces=True,
            image=_image(task.block("resources"), environment),
            vllm_version=pinned(task.text("setup") or ""),
            newest=unpinned(task.text("setup") or ""),
            environment={**environment, **sky},
            devices=devices,
            gpu=gpu,
            gpus=gpus,
            nodes=nodes,
            left_out=left_out,
        ),
    )


def _accelerators(resources: Block, environment: dict[str, str]) -> tuple[list[str | None], list[int], tuple[str, ...]]:
    """The GPUs a task takes, any of which it may get; their numbers; and every accelerator as it is named."""
    names: list[str | None] = []
    counts: list[int] = []
    devices: list[str] = []
    for block in [resources, *resources.blocks("any_of"), *resources.blocks("ordered")]:
        for name, count in _named(block.get("accelerators"), environment):
            devices.append(name)
            names.append(_OWN_NAMES.get(name.upper()) or gpu_named(name))
            counts.append(count)
        instance = block.text("instance_type")
        held = machine(instance) if instance and "accelerators" not in block else None
        if held is not None:
            names.append(held.gpu)
            counts += [held.count] if held.count else []
    return names, counts, tuple(devices)


def _named(value: Any, environment: dict[str, str]) -> Iterator[tuple[str, int]]:
    """`L4`, `L4:2`, `{L4: 2}`, `{L4, A10G}` and lists of those."""
    if isinstance(value, Text):
        name, _, count = in_shell(value, environment).partition(":")
        yield name, number(count) or 1
    elif isinstance(value, Items):
        for item in value:
            yield from _named(item, environment)
    elif isinstance(value, Block):
        for name, count in value.items():
            bare, _, more = str(name).partition(":")
            yield bare, number(count) or number(more) or 1


def _one(names: list[str | None]) -> tuple[str | None, tuple[str, ...]]:
    known = sorted({name for name in names if name is not None})
    if len(known) == 1 and None not in names:
        return known[0], ()
    if len(names) > 1:
        return None, ("the GPU, which may be any of several",)
    return None, ("the GPU of accelerators, which is not known here",) if names else ()


def _image(resources: Block, environment: dict[str, str]) -> str | None:
    image = resources.get("image_id")
    name = image if isinstance(image, Text) else None
    return in_shell(name, environment).removeprefix("docker:") if name and name.startswith("docker:") else None


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return SkyPilot()
