"""The values of a `helm_release` that `set` changes: one after the other as Helm takes `--set` (its docs, "The Format and Limitations")."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from vram.errors import VramError
from vram_plugins.readers.documents import Block, Items, Text, documents, empty, items_at
from vram_plugins.readers.merging import merged

#: one step of a path: a key, in which dots may be escaped, or a place in a list
_STEP = re.compile(r"((?:[^.\[\\]|\\.)+)|\[(\d{1,3})\]|\.")
_MOST_SET = 500


def set_values(body: Block) -> Block | None:
    """All values of a release with what `set` puts over them; None for a release without `set`."""
    changes = [one for one in (*body.blocks("set"), *body.blocks("set_list")) if one.text("name")][:_MOST_SET]
    if not changes:
        return None
    whole: Any = empty(body.line_of("set"))
    for values in _given(body):
        whole = merged(whole, values, by_name=False)
    for change in changes:
        whole = _put(whole, list(_steps(change.text("name") or "")), change.get("value"), change.line)
    return whole if isinstance(whole, Block) else None


def _given(body: Block) -> Iterator[Block]:
    held = body.get("values")
    for one in held if isinstance(held, Items) else [held]:
        if isinstance(one, Block):
            yield one
        elif isinstance(one, Text):
            try:
                yield from documents("values.yaml", one)
            except VramError:
                continue


def _steps(path: str) -> Iterator[str | int]:
    for key, index in _STEP.findall(path):
        if key:
            yield re.sub(r"\\(.)", r"\1", key)
        elif index:
            yield int(index)


def _put(value: Any, steps: list[str | int], new: Any, line: int) -> Any:
    """A value with a new one at a path; what is missing on the way is made."""
    if not steps:
        return new
    head, rest = steps[0], steps[1:]
    if isinstance(head, int):
        items = items_at(value if isinstance(value, Items) else (), line)
        items += [None] * (head + 1 - len(items))
        items[head] = _put(items[head], rest, new, line)
        return items
    block = empty(line)
    for key, held in value.items() if isinstance(value, Block) else ():
        block[key] = held
        block.lines[key] = value.line_of(key)
    block[head] = _put(block.get(head), rest, new, line)
    block.lines.setdefault(head, line)
    return block
