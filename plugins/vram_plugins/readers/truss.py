"""Baseten's Truss: `docker_server.start_command` in `base_image`, on `resources.accelerator` (docs, truss reference of config.yaml)."""

from __future__ import annotations

from collections.abc import Iterable

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.documents import Block, Text, documents, number, text_at
from vram_plugins.readers.gpu_names import gpu_named, uncertain
from vram_plugins.readers.launch import Process, servers
from vram_plugins.readers.splitting import split_words


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
    accelerator, _, count = (document.text("resources", "accelerator") or "").partition(":")
    gpu = gpu_named(accelerator) if accelerator else None
    environment = {
        name: str(value) for name, value in document.block("environment_variables").items() if value is not None
    }
    return Process(
        line=command.line,
        kind="truss",
        name=document.text("model_name") or "",
        argv=tuple(text_at(word, command.line) for word in split_words(command)),
        replaces=True,
        image=document.text("base_image", "image"),
        environment=environment,
        devices=(accelerator,) if accelerator else (),
        gpu=gpu,
        gpus=(number(count) or 1) if accelerator else None,
        assumed=uncertain(accelerator, gpu),
        left_out=("the GPU of accelerator, which is not known here",) if accelerator and gpu is None else (),
    )


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return Truss()
