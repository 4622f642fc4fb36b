"""Templates of charts (and other templates of YAML): no file until somebody renders them, so that nothing in them is read."""

from __future__ import annotations

import re
from collections.abc import Iterable

from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.go_template import is_template

_SERVER = re.compile(
    r"^[^#\n]*(?:vllm[ \t]+serve|vllm\.entrypoints\.|image:.*vllm|[\"']?vllm[\"']?[ \t]*,[ \t]*[\"']?serve)",
    re.MULTILINE,
)
#: a container that gets its model from the values, where the template is of vLLM by some name
_GIVEN = re.compile(r"^[^#\n]*--model(?:[= ][\"']?|[\"']?,[ \t]*[\"']?)\{\{", re.MULTILINE)
_LISTED = re.compile(r"^[ \t]*-[ \t]*[\"']?(?:\S*/)?vllm[\"']?[ \t]*\n[ \t]*-[ \t]*[\"']?serve\b", re.MULTILINE)
_WORKLOAD = re.compile(r"^[ \t]*(?:-[ \t]*)?(?:containers|predictor|template):", re.MULTILINE)


class HelmTemplate(DeploymentReader):
    """A template with a vLLM server in it, named as not understood."""

    name = "helm-template"
    rank = 3

    def claims(self, text: DeploymentText) -> bool:
        return text.path.endswith((".yaml", ".yml", ".tpl", ".gotmpl")) and is_template(text.text)

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        found = _LISTED.search(text.text) or _SERVER.search(text.text)
        if found is None and "vllm" in f"{text.path}\n{text.text}".lower():
            found = _GIVEN.search(text.text)
        if found is None or _WORKLOAD.search(text.text) is None:
            return []
        line = text.text.count("\n", 0, found.end()) + 1 - (1 if found.re is _LISTED else 0)
        problem = "is a template, which is no manifest before it is rendered (check what `helm template` prints)"
        return [FoundServer(line=line, kind="template", status="not_understood", problem=problem)]


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return HelmTemplate()
