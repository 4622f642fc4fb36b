"""A template of Ansible's: read with the defaults of its role, where those fill it; named where conditions make the file."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.ansible import defaults_of
from vram_plugins.readers.documents import text_at
from vram_plugins.readers.jinja import filled

_BLANK = re.compile(r"\{\{|\{%")
_SERVER = re.compile(
    r"^[^#\n]*(?:vllm[ \t]+serve|vllm\.entrypoints\.|image:.*vllm|--model(?:-path)?[= \"',]+\{\{)", re.MULTILINE
)
_SUFFIX = re.compile(r"\.j(?:inja)?2$", re.IGNORECASE)


class AnsibleTemplate(DeploymentReader):
    """The servers of the file that a template makes."""

    name = "ansible-template"
    rank = 4

    def claims(self, text: DeploymentText) -> bool:
        return (
            _SUFFIX.search(text.path) is not None
            and ("vllm" in text.text.lower() or "--model" in text.text)
            and _BLANK.search(text.text) is not None
        )

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        told = _SERVER.search(text.text)
        if told is None:
            return []
        if "{%" not in text.text:
            whole = str(filled(text_at(text.text, 1), defaults_of(text)))
            found = list(text.within(_SUFFIX.sub("", text.path.rsplit("/", 1)[-1]), whole, 1))
            if found:
                return found
        if "vllm" not in f"{text.path}\n{text.text}".lower():
            return []
        line = text.text.count("\n", 0, told.end()) + 1
        problem = "is a template, which is no file before Ansible renders it"
        return [FoundServer(line=line, kind="template", status="not_understood", problem=problem)]


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return AnsibleTemplate()
