"""ConfigMaps that pods of a file refer to and that stand beside it: in files of their own, or made by the kustomization."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vram.errors import VramError
from vram.models.deployment_reader import DeploymentText
from vram.models.record import evolve
from vram_plugins.readers.documents import Block, documents
from vram_plugins.readers.generating import with_config_maps
from vram_plugins.readers.manifests import Manifest, manifests, objects_of

#: names that people give such files
_CONFIG_FILES = ("configmap.yaml", "configmap.yml", "config-map.yaml", "cm.yaml", "config.yaml")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MOST_NAMED = 8


def configs_beside(text: DeploymentText, found: Sequence[Manifest], pods: Sequence[Block]) -> Iterator[Manifest]:
    """ConfigMaps of the names that `pods` refer to and that the file itself does not have."""
    wanted = {name for pod in pods for name in _referred(pod)}
    wanted -= {"", *(one.name for one in found if one.kind == "ConfigMap")}
    if not wanted:
        return
    others = [one for file in _files(wanted) for one in _of_file(text, file)]
    yield from (one for one in (*others, *_generated(text)) if one.kind == "ConfigMap" and one.name in wanted)


def _files(wanted: set[str]) -> tuple[str, ...]:
    return (*_CONFIG_FILES, *(f"{name}.yaml" for name in sorted(wanted)[:_MOST_NAMED]))


def _of_file(text: DeploymentText, file: str) -> Sequence[Manifest]:
    content = text.beside(file)
    if content is None or content == text.text:
        return ()
    try:
        return manifests(evolve(text, path=file, text=content))
    except VramError:
        return ()


def _generated(text: DeploymentText) -> Iterator[Manifest]:
    """ConfigMaps of `configMapGenerator`; kustomize puts their names, with a hash, into the pods that have them."""
    for file in _KUSTOMIZATIONS:
        content = text.beside(file)
        if content is None or "configMapGenerator" not in content:
            continue
        try:
            found = documents(file, content)
        except VramError:
            continue
        for kustomization in found:
            yield from objects_of(with_config_maps(text, kustomization, "", []))


def mounted_configs(pod: Block) -> Iterator[str]:
    """The names of ConfigMaps that a pod has as files."""
    for volume in pod.blocks("volumes"):
        for source in [volume, *volume.blocks("projected", "sources")]:
            name = source.text("configMap", "name")
            if name:
                yield str(name)


def _referred(pod: Block) -> Iterator[str]:
    yield from mounted_configs(pod)
    for container in pod.blocks("containers"):
        for source in container.blocks("envFrom"):
            yield source.text("configMapRef", "name") or ""
        for variable in container.blocks("env"):
            yield variable.text("valueFrom", "configMapKeyRef", "name") or ""
