"""KServe's ServingRuntimes: the one that a service runs on, in its own file or in one beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vram.errors import VramError
from vram.models.deployment_reader import DeploymentText
from vram.models.record import evolve
from vram_plugins.readers.documents import Block
from vram_plugins.readers.manifests import Manifest, manifests

#: KServe's API group; other projects have kinds by the same names
GROUP = "serving.kserve.io"
RUNTIMES = {"ServingRuntime", "ClusterServingRuntime"}
#: names that people give files with a runtime in them
_FILES = ("serving-runtime", "servingruntime", "serving_runtime", "runtime", "vllm-runtime", "vllm-serving-runtime")
_ENDINGS = (".yaml", ".yml")


def runtime_of(model: Block, runtimes: Sequence[Manifest]) -> Manifest | None:
    """The runtime that a service names, or the only one that takes its format."""
    wanted = model.text("runtime")
    if wanted is not None:
        return next((one for one in runtimes if one.name == wanted), None)
    form = (model.text("modelFormat", "name") or "").lower()
    fitting = [
        one
        for one in runtimes
        if form in {(f.text("name") or "").lower() for f in one.block.blocks("spec", "supportedModelFormats")}
    ]
    return fitting[0] if len(fitting) == 1 else None


def runtime_beside(text: DeploymentText, model: Block) -> Manifest | None:
    """The runtime that a service names, from a file beside it by the names that such files have; by its format alone none is."""
    wanted = model.text("runtime")
    return next((one for one in _beside(text, wanted) if one.name == wanted), None) if wanted else None


def _beside(text: DeploymentText, wanted: str) -> Iterator[Manifest]:
    for name in (*_FILES, wanted):
        for ending in _ENDINGS:
            content = text.beside(name + ending)
            if content is None or content == text.text:
                continue
            try:
                found = manifests(evolve(text, path=name + ending, text=content))
            except VramError:
                continue
            yield from (one for one in found if one.group == GROUP and one.kind in RUNTIMES)
