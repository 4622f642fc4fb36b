"""Baseten's Truss: `docker_server.start_command` in `base_image`, on `resources` and with `weights` (its docs, "Truss configuration")."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.documents import Block, Text, documents, number, text_at
from vram_plugins.readers.gpu_names import gpu_named, uncertain
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.splitting import split_words
from vram_plugins.readers.storage import stored_model


class Truss(DeploymentReader):
    """The server of a model."""

    name = "truss"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return "docker_server" in text.text and "start_command" in text.text

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return [
            server
            for document in documents(text.path, text.text)
            if document.text("docker_server", "start_command")
            for server in servers(text, _process(document))
        ]


def _process(document: Block) -> Process:
    command = document.block("docker_server").get("start_command")
    assert isinstance(command, Text)
    accelerator, gpus = _accelerator(document.block("resources"))
    gpu = gpu_named(accelerator) if accelerator else None
    environment = {
        name: str(value) for name, value in document.block("environment_variables").items() if value is not None
    }
    return Process(
        line=command.line,
        kind="truss",
        name=document.text("model_name") or "",
        argv=tuple(text_at(word, command.line) for word in split_words(_with_weights(document, command))),
        replaces=True,
        image=document.text("base_image", "image"),
        environment=environment,
        devices=(accelerator,) if accelerator else (),
        gpu=gpu,
        gpus=gpus,
        assumed=uncertain(accelerator, gpu),
        left_out=("the GPU of accelerator, which is not known here",) if accelerator and gpu is None else (),
    )


def _accelerator(resources: Block) -> tuple[str, int | None]:
    """The GPU's name and how many: `H100:2`, or an instance type (`L4:4x16`, and `L4:2x24x96` with two), which counts for more."""
    instance, _, sizes = (resources.text("instance_type") or "").partition(":")
    if instance:
        several = sizes.split("x") if sizes.count("x") == 2 else ["1"]
        return instance, number(several[0]) or 1
    accelerator, _, count = (resources.text("accelerator") or "").partition(":")
    return accelerator, (number(count) or 1) if accelerator else None


def _with_weights(document: Block, command: str) -> str:
    """The command with the Hub's names for models that Baseten mounts (`weights`)."""
    for weights in document.blocks("weights"):
        place, stored = weights.text("mount_location"), stored_model(weights.text("source"))
        if place and stored is not None:
            command = re.sub(rf"(?<![\w/]){re.escape(place)}/?(?![\w/.-])", stored.model, command)
    return command


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return Truss()
