"""Kustomize: what a kustomization makes of the bases and patches beside it, and a patch by the kustomization that names it.

The result is read as the manifests it is, by whoever reads manifests. What is not at hand (a base somewhere else) is said.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable, Iterator

from vram.errors import VramError
from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve, field, frozen
from vram_plugins.readers.documents import Block, Items, Text, documents, empty, text_at
from vram_plugins.readers.generating import with_config_maps
from vram_plugins.readers.kubernetes import pods_of
from vram_plugins.readers.manifests import looks_like_manifests
from vram_plugins.readers.merging import json_patched, patched, plain, with_images
from vram_plugins.readers.replacing import replaced

_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_MAX_DEPTH = 6
_MAX_OBJECTS = 500


@frozen(kw_only=True)
class Built:
    """The objects a kustomization gives, and the names of what is not at hand."""

    objects: tuple[Block, ...] = field(default=(), eq=False)
    missing: tuple[str, ...] = ()


class Kustomize(DeploymentReader):
    """Kustomizations, and patches that one of them beside names."""

    name = "kustomize"
    rank = 2

    def claims(self, text: DeploymentText) -> bool:
        held = text.text
        if "kustomize.config.k8s.io" in held or posixpath.basename(text.path) in _FILES:
            return True
        return "image:" not in held and "containers" in held and looks_like_manifests(held)

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        found = documents(text.path, text.text)
        if len(found) == 1 and _is_kustomization(text.path, found[0]):
            return list(_whole(text, found[0]))
        return list(_patch(text, found))


def _is_kustomization(path: str, block: Block) -> bool:
    kind = block.text("kind")
    return kind in {"Kustomization", "Component"} or (kind is None and posixpath.basename(path) in _FILES)


def _whole(text: DeploymentText, kustomization: Block) -> Iterator[FoundServer]:
    if kustomization.text("kind") == "Component" or (kustomization.text("apiVersion") or "").startswith(
        "kustomize.toolkit"
    ):
        return
    built = _built(text, kustomization, "", 0)
    changes = [key for key in kustomization if key in _CHANGES]
    if not changes:
        return  # a list of files, each of which is read by itself
    line = kustomization.line_of(next((key for key in ("patches", *changes) if key in kustomization), "resources"))
    for server in _read(text, built):
        yield evolve(server, line=line, left_out=(*server.left_out, *_missing(built)))
    if built.missing and not built.objects and any("vllm" in str(plain(kustomization[key])) for key in changes):
        problem = "changes a base that is not at hand"
        yield FoundServer(line=line, kind="Kustomization", status="not_understood", problem=problem)


_CHANGES = (
    "patches", "patchesStrategicMerge", "patchesJson6902", "images", "configMapGenerator", "components", "namePrefix", "nameSuffix",
    "replacements",
)  # fmt: skip


def _missing(built: Built) -> tuple[str, ...]:
    return tuple(f"{name}, which is not at hand" for name in built.missing)


def _read(text: DeploymentText, built: Built) -> Iterator[FoundServer]:
    """The objects as a file of manifests, read like any other."""
    whole = "\n---\n".join(json.dumps(plain(one), indent=1) for one in built.objects)
    yield from text.within("kustomized.yaml", whole, 1) if whole else ()


def _patch(text: DeploymentText, found: tuple[Block, ...]) -> Iterator[FoundServer]:
    """The servers that a patch changes, as the kustomization beside it makes them."""
    name = posixpath.basename(text.path)
    for file in _FILES:
        content = text.beside(file)
        if content is None or name not in content:
            continue
        try:
            outer = documents(file, content)
        except VramError:
            return
        if len(outer) != 1 or name not in set(_patch_paths(outer[0])):
            return
        servers = list(_read(text, _built(text, outer[0], "", 0)))
        for patch in found:
            title = f"/{_named(outer[0], patch.text('metadata', 'name') or '')}"
            lines = [c.line for pod in pods_of(patch) for c in pod.blocks("containers")]
            for server in servers:
                if server.name.endswith(title):
                    yield evolve(server, line=lines[0] if lines else patch.line)
        return


def _patch_paths(kustomization: Block) -> Iterator[str]:
    for key in ("patches", "patchesStrategicMerge", "patchesJson6902"):
        for item in kustomization.at(key) or ():
            path = _path_of(item)
            if path:
                yield posixpath.basename(path)


def _path_of(item: object) -> str | None:
    """The file that an entry names; None where it is neither a name nor has one (a list in a list)."""
    return item.text("path") if isinstance(item, Block) else item if isinstance(item, Text) else None


def _named(kustomization: Block, name: str) -> str:
    return f"{kustomization.text('namePrefix') or ''}{name}{kustomization.text('nameSuffix') or ''}"


def _built(text: DeploymentText, kustomization: Block, folder: str, depth: int) -> Built:
    """What kustomize would print: resources, then generators, patches and images, then names."""
    objects: list[Block] = []
    missing: list[str] = []
    for key in ("resources", "bases"):
        for entry in kustomization.at(key) or ():
            if isinstance(entry, Text):
                part = _resource(text, str(entry), folder, depth)
                objects += part.objects
                missing += part.missing
    objects = with_config_maps(text, kustomization, folder, objects)
    for entry in kustomization.at("components") or ():
        component = _opened(text, posixpath.normpath(posixpath.join(folder, str(entry))))
        if component is None:
            missing.append(_shown(str(entry)))
        elif depth < _MAX_DEPTH:
            objects = _changed(text, component[0], component[1], objects)
    objects = _changed(text, kustomization, folder, objects[:_MAX_OBJECTS])
    objects = replaced(objects, _replacements(text, kustomization, folder))
    return Built(objects=tuple(_renamed(kustomization, one) for one in objects), missing=tuple(dict.fromkeys(missing)))


def _shown(entry: str) -> str:
    return entry if re.fullmatch(r"[\w./-]{1,80}", entry) else "a base at an address"


def _resource(text: DeploymentText, entry: str, folder: str, depth: int) -> Built:
    if "://" in entry or entry.startswith(("git@", "github.com/")) or depth >= _MAX_DEPTH:
        return Built(missing=(_shown(entry),))
    path = posixpath.normpath(posixpath.join(folder, entry))
    if entry.endswith((".yaml", ".yml", ".json")):
        content = text.beside(path)
        return Built(objects=_safe(path, content)) if content is not None else Built(missing=(_shown(entry),))
    inner = _opened(text, path)
    return _built(text, inner[0], inner[1], depth + 1) if inner else Built(missing=(_shown(entry),))


def _opened(text: DeploymentText, folder: str) -> tuple[Block, str] | None:
    """The kustomization of a folder."""
    for file in _FILES:
        content = text.beside(posixpath.join(folder, file))
        found = _safe(file, content) if content is not None else ()
        if len(found) == 1:
            return found[0], folder
    return None


def _safe(path: str, content: str | None) -> tuple[Block, ...]:
    try:
        return documents(path, content) if content is not None else ()
    except VramError:
        return ()


def _changed(text: DeploymentText, kustomization: Block, folder: str, objects: list[Block]) -> list[Block]:
    """Objects after the patches and images of a kustomization."""
    for key in ("patchesStrategicMerge", "patches", "patchesJson6902"):
        for item in kustomization.at(key) or ():
            target = item.block("target") if isinstance(item, Block) else empty(1)
            for patch in _patches(text, item, folder):
                objects = [_with_patch(one, patch, target) for one in objects]
    images = kustomization.blocks("images")
    return [with_images(one, images) for one in objects] if images else objects


def _patches(text: DeploymentText, item: Block | Text | None, folder: str) -> Iterator[Block | Items]:
    """The contents of one entry: a path, or a patch that stands there."""
    path = _path_of(item)
    inline = item.text("patch") if isinstance(item, Block) else path if path and "\n" in path else None
    content = inline if inline is not None else text.beside(posixpath.join(folder, path)) if path else None
    if content is None:
        return
    if content.lstrip().startswith(("-", "[")) and "op" in content:
        # a list of operations: under a key it is one document
        wrapped = _safe(
            "patch", "operations:\n" + "\n".join(f"  {line}" for line in content.splitlines() if line != "---")
        )
        for block in wrapped:
            operations = block.get("operations")
            if isinstance(operations, Items):
                yield operations
        return
    yield from _safe("patch", content)


def _with_patch(one: Block, patch: Block | Items, target: Block) -> Block:
    if not _meant(one, target if target else patch if isinstance(patch, Block) else target):
        return one
    if isinstance(patch, Block):
        return patched(one, patch)
    result = json_patched(one, patch)
    return result if isinstance(result, Block) else one


def _meant(one: Block, target: Block) -> bool:
    """Whether an object is what a target (or a patch by its own name) means: kind and name, a name being a whole expression."""
    kind, name = target.text("kind"), target.text("name") or target.text("metadata", "name")
    if kind is not None and kind != one.text("kind"):
        return False
    mine = one.text("metadata", "name") or ""
    try:
        return name is None or name == mine or re.fullmatch(name[:100], mine) is not None
    except re.error:
        return False


def _replacements(text: DeploymentText, kustomization: Block, folder: str) -> list[Block]:
    """Replacements that stand there, and those in files."""
    found: list[Block] = []
    for one in kustomization.blocks("replacements"):
        path = one.text("path")
        found += [one] if path is None else _safe(path, text.beside(posixpath.join(folder, path)))
    return found


def _renamed(kustomization: Block, one: Block) -> Block:
    name = one.text("metadata", "name")
    if name is None or one.text("kind") == "ConfigMap" or not (kustomization.keys() & {"namePrefix", "nameSuffix"}):
        return one
    result = patched(one, empty(one.line))
    metadata = patched(one, empty(one.line)).block("metadata")
    metadata["name"] = text_at(_named(kustomization, name), one.line)
    result["metadata"] = metadata
    return result


def reader() -> DeploymentReader:
    """The reader, as the package names it first."""
    return Kustomize()
