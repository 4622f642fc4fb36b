"""Replacements of a kustomization: a field of one object put into fields of others (kustomize's reference, replacements)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from vram_plugins.readers.documents import Block, Items, Text, empty, items_at, number, text_at

_STEP = re.compile(r"\[([\w./-]+)=([^\]]*)\]|((?:[^.\[\]\\]|\\.)+)")


def replaced(objects: Sequence[Block], replacements: Sequence[Block]) -> list[Block]:
    """The objects with every replacement made whose source is among them. Nothing given changes."""
    made = list(objects)
    for replacement in replacements:
        source = replacement.block("source")
        origin = next((one for one in made if _selected(one, source)), None)
        value = (
            _field(origin, tuple(_steps(source.text("fieldPath") or "metadata.name"))) if origin is not None else None
        )
        if value is None:
            continue
        value = _part(value, source.block("options"))
        for target in replacement.blocks("targets"):
            select, paths = target.block("select"), target.at("fieldPaths")
            for path in paths.texts() if isinstance(paths, Items) else ():
                steps = tuple(_steps(path))
                made = [
                    _with(one, steps, value, target.block("options")) if _selected(one, select) else one for one in made
                ]
    return made


def _selected(one: Block, select: Block) -> bool:
    """Whether an object has the kind and the name that are asked for; anything without both is nobody's."""
    kind, name = select.text("kind"), select.text("name")
    asked = kind is not None or name is not None
    return asked and kind in {None, one.text("kind")} and name in {None, one.text("metadata", "name")}


def _steps(path: str) -> Iterator[tuple[str, str | None]]:
    """`a.[name=x].b` as keys, and as list items by the value of a key."""
    for match in _STEP.finditer(path[:400]):
        yield (match[1], match[2]) if match[1] else (match[3].replace("\\.", "."), None)


def _field(value: Any, steps: Sequence[tuple[str, str | None]]) -> Text | None:
    for key, wanted in steps:
        if isinstance(value, Block) and wanted is None:
            value = value.get(key)
        elif isinstance(value, Items):
            value = next((v for i, v in enumerate(value) if _is_item(i, v, key, wanted)), None)
        else:
            return None
    return value if isinstance(value, Text) else None


def _is_item(index: int, value: Any, key: str, wanted: str | None) -> bool:
    if wanted is None:
        return key == str(index)
    return isinstance(value, Block) and value.text(key) == wanted


def _part(value: Text, options: Block) -> Text:
    """The part of a source's value that its delimiter and index choose."""
    delimiter, index = options.text("delimiter"), number(options.get("index")) or 0
    parts = value.split(delimiter) if delimiter else [str(value)]
    return text_at(parts[index], value.line) if index < len(parts) else value


def _with(value: Any, steps: Sequence[tuple[str, str | None]], new: Text, options: Block) -> Any:
    if not steps:
        return _put(value, new, options)
    (key, wanted), rest = steps[0], steps[1:]
    if isinstance(value, Block) and wanted is None:
        create = options.text("create") == "true"
        if key not in value and not (create or not rest):
            return value
        result = empty(value.line)
        for name, inner in value.items():
            result[name] = inner
            result.lines[name] = value.line_of(name)
        result[key] = _with(value.get(key) if key in value or not create else empty(value.line), rest, new, options)
        return result
    if isinstance(value, Items):
        held = (_with(v, rest, new, options) if _is_item(i, v, key, wanted) else v for i, v in enumerate(value))
        return items_at(held, value.line)
    return value


def _put(value: Any, new: Text, options: Block) -> Any:
    """The new value, in the place of the old one's part where a delimiter parts it."""
    delimiter, index = options.text("delimiter"), number(options.get("index"))
    if not delimiter or index is None or not isinstance(value, Text):
        return new
    parts = value.split(delimiter)
    parts[min(index, len(parts) - 1)] = str(new)
    return text_at(delimiter.join(parts), value.line)
