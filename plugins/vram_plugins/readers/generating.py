"""ConfigMaps that a kustomization generates from literals, files of variables and files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from vram.models.deployment_reader import DeploymentText
from vram_plugins.readers.compose import variables
from vram_plugins.readers.documents import Block, Text, text_at
from vram_plugins.readers.merging import config_map, patched


def with_config_maps(text: DeploymentText, kustomization: Block, folder: str, objects: list[Block]) -> list[Block]:
    """ConfigMaps of the generator, over those of the same name."""
    for generator in kustomization.blocks("configMapGenerator"):
        name = generator.text("name") or ""
        made = config_map(name, _contents(text, generator, folder), generator.line)
        same = [one for one in objects if one.text("kind") == "ConfigMap" and one.text("metadata", "name") == name]
        if same and generator.text("behavior") == "merge":
            objects = [patched(one, made) if one is same[0] else one for one in objects]
        else:
            objects = [*(one for one in objects if one not in same), made]
    return objects


def _contents(text: DeploymentText, generator: Block, folder: str) -> Iterator[tuple[str, Text]]:
    for literal in generator.at("literals") or ():
        key, equals, value = str(literal or "").partition("=")
        if equals:
            yield key, text_at(value.strip("\"'"), generator.line)
    for file in [*(generator.at("envs") or ()), *([generator["env"]] if "env" in generator else [])]:
        for key, value in variables(text.beside(posixpath.join(folder, str(file)))).items():
            yield key, text_at(value, generator.line)
    for file in generator.at("files") or ():
        key, equals, path = str(file or "").partition("=")
        content = text.beside(posixpath.join(folder, path if equals else key))
        if content is not None:
            yield (key if equals else posixpath.basename(key)), text_at(content, generator.line)
