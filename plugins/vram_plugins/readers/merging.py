"""Manifests as kustomize changes them: strategic merge patches, JSON patches, images, generated ConfigMaps. Nothing given changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from vram_plugins.readers.documents import Block, Items, Text, empty, items_at, text_at

_KEYS = ("name", "mountPath", "containerPort", "key")  # by which Kubernetes' own lists merge
_BUILT_IN = {"", "apps", "batch"}


def merged(base: Any, patch: Any, *, by_name: bool) -> Any:
    """A patch over a value: mappings merge, null deletes; lists merge item by item where `by_name`, else they are replaced."""
    if isinstance(base, Block) and isinstance(patch, Block):
        if patch.text("$patch") == "replace":
            return _without(patch, "$patch")
        result = _without(base)
        for key, value in patch.items():
            if value is None:
                result.pop(key, None)
            else:
                result[key] = merged(base.get(key), value, by_name=by_name)
                result.lines[key] = base.lines.get(key, patch.line_of(key))
        return result
    if by_name and isinstance(base, Items) and isinstance(patch, Items):
        common = next((k for k in _KEYS if all(isinstance(i, Block) and k in i for i in [*base, *patch])), None)
        if common is not None and patch:
            return _items_merged(base, patch, common)
    return patch


def _items_merged(base: Items, patch: Items, key: str) -> Items:
    result = items_at(base, base.line)
    for item in patch:
        index = next((i for i, one in enumerate(result) if one.get(key) == item.get(key)), None)
        if item.text("$patch") == "delete":
            result[:] = [one for one in result if one.get(key) != item.get(key)]
        elif index is None:
            result.append(item)
        else:
            result[index] = merged(result[index], item, by_name=True)
    return result


def _without(block: Block, *keys: str) -> Block:
    result = empty(block.line)
    for key, value in block.items():
        if key not in keys:
            result[key] = value
            result.lines[key] = block.line_of(key)
    return result


def patched(manifest: Block, patch: Block) -> Block:
    """A strategic merge patch over one object. Kinds that Kubernetes does not know by itself get a plain merge."""
    group = (manifest.text("apiVersion") or "").rpartition("/")[0]
    result = merged(manifest, patch, by_name=group in _BUILT_IN)
    assert isinstance(result, Block)
    result["metadata"] = merged(patch.block("metadata"), manifest.block("metadata"), by_name=True)
    return result


def json_patched(value: Any, operations: Any) -> Any:
    """A JSON patch (RFC 6902) over an object; an operation whose path is not there changes nothing."""
    for operation in operations if isinstance(operations, Items) else ():
        if isinstance(operation, Block):
            path = [
                part.replace("~1", "/").replace("~0", "~") for part in (operation.text("path") or "").split("/")[1:]
            ]
            value = _applied(value, path, operation.text("op") or "", operation.get("value"))
    return value


def _applied(value: Any, path: list[str], operation: str, new: Any) -> Any:
    if not path:
        return new if operation in {"add", "replace"} else value
    head, rest = path[0], path[1:]
    if isinstance(value, Block):
        result = _without(value)
        if rest:
            if head in result:
                result[head] = _applied(result[head], rest, operation, new)
        elif operation == "remove":
            result.pop(head, None)
        elif operation == "add" or (operation == "replace" and head in result):
            result[head] = new
        return result
    if isinstance(value, Items) and (head == "-" or (head.isascii() and head.isdecimal() and len(head) < 6)):
        return _in_list(value, head, rest, operation, new)
    return value


def _in_list(value: Items, head: str, rest: list[str], operation: str, new: Any) -> Items:
    result = items_at(value, value.line)
    index = len(result) if head == "-" else int(head)
    if rest:
        if index < len(result):
            result[index] = _applied(result[index], rest, operation, new)
    elif operation == "add":
        result.insert(index, new)
    elif index < len(result):
        if operation == "remove":
            del result[index]
        elif operation == "replace":
            result[index] = new
    return result


def with_images(value: Any, images: list[Block]) -> Any:
    """Images renamed and retagged wherever a container has them."""
    if isinstance(value, Items):
        return items_at((with_images(item, images) for item in value), value.line)
    if not isinstance(value, Block):
        return value
    block = empty(value.line)
    for key, inner in value.items():
        block[key] = _image(inner, images) if key == "image" and isinstance(inner, Text) else with_images(inner, images)
        block.lines[key] = value.line_of(key)
    return block


def _image(image: Text, images: list[Block]) -> Text:
    name, tag = _split(image)
    for change in images:
        if change.text("name") == name:
            new, newer, digest = change.text("newName") or name, change.text("newTag"), change.text("digest")
            ending = f"@{digest}" if digest else f":{newer}" if newer else tag
            return text_at(new + ending, image.line)
    return image


def _split(image: str) -> tuple[str, str]:
    name, at, digest = image.partition("@")
    front, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return front, f":{tag}" + (f"@{digest}" if at else "")
    return name, f"@{digest}" if at else ""


def plain(value: Any) -> Any:
    """A value as JSON can write it."""
    if isinstance(value, Block):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, Items):
        return [plain(inner) for inner in value]
    return None if value is None else str(value)


def config_map(name: str, pairs: Iterator[tuple[str, Text]], line: int) -> Block:
    """A ConfigMap with the given contents."""
    data, metadata, block = empty(line), empty(line), empty(line)
    for key, value in pairs:
        data[key] = value
    metadata["name"] = text_at(name, line)
    block["apiVersion"], block["kind"] = text_at("v1", line), text_at("ConfigMap", line)
    block["metadata"], block["data"] = metadata, data
    return block
