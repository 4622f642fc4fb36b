"""vLLM's own configuration file, as `vllm serve --config FILE` takes it: YAML whose every key is a flag, a model among them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.config_file import are_flags, flags_of, foreign_keys, is_config
from vram_plugins.readers.documents import Block, documents
from vram_plugins.readers.launch import Process, servers, shown_program

_MODEL = re.compile(r"^[\"']?(?:model|model[-_]tag)[\"']?[ \t]*:", re.MULTILINE)
#: a file by vLLM's name, which may leave the model to the command that takes it
_NAMED = re.compile(r"(?:^|[/_.-])vllm[\w.-]*\.ya?ml$", re.IGNORECASE)
_LONGEST = 1 << 16


class VllmConfig(DeploymentReader):
    """One server a file."""

    name = "vllm-config"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        held = text.text
        if not text.path.endswith((".yaml", ".yml")) or len(held) > _LONGEST:
            return False
        return _MODEL.search(held) is not None or _NAMED.search(text.path) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        found = documents(text.path, text.text)
        if len(found) != 1:
            return []
        if not is_config(found[0]):
            return [*_of_a_launcher(text, found[0]), *_without_model(text, found[0])]
        argv = ("vllm", "serve", *flags_of(found[0]))
        return list(servers(text, Process(line=found[0].line, kind="vllm config", argv=argv, replaces=True)))


def _of_a_launcher(text: DeploymentText, config: Block) -> Iterator[FoundServer]:
    """A file with vLLM's flags and keys of another program's, which vLLM itself would refuse."""
    foreign = foreign_keys(config) if "vllm" in f"{text.path}\n{text.text}".lower() else ()
    if foreign:
        named = ", ".join(shown_program(key) for key in foreign[:2]) + (" …" if len(foreign) > 2 else "")
        problem = f"has keys that are none of vLLM's ({named}): a program of its own makes the command"
        yield FoundServer(line=config.line, kind="vllm config", status="not_understood", problem=problem)


def _without_model(text: DeploymentText, config: Block) -> Iterator[FoundServer]:
    """Flags alone in a file by vLLM's name."""
    if _NAMED.search(text.path) and are_flags(config):
        problem = "holds flags of vLLM's and no model: the command that takes this file names it"
        yield FoundServer(line=config.line, kind="vllm config", status="not_understood", problem=problem)


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return VllmConfig()
