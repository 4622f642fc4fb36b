"""vLLM's own configuration file, as `vllm serve --config FILE` takes it: YAML whose every key is a flag, a model among them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.config_file import flags_of, is_config
from vram_plugins.readers.documents import documents
from vram_plugins.readers.launch import Process, servers

_MODEL = re.compile(r"^[\"']?(?:model|model[-_]tag)[\"']?[ \t]*:", re.MULTILINE)
_LONGEST = 1 << 16


class VllmConfig(DeploymentReader):
    """One server a file."""

    name = "vllm-config"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        held = text.text
        return text.path.endswith((".yaml", ".yml")) and len(held) < _LONGEST and _MODEL.search(held) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        found = documents(text.path, text.text)
        if len(found) != 1 or not is_config(found[0]):
            return []
        argv = ("vllm", "serve", *flags_of(found[0]))
        return list(servers(text, Process(line=found[0].line, kind="vllm config", argv=argv, replaces=True)))


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return VllmConfig()
