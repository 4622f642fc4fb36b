"""Lists of module names of which hundreds differ only in a layer's number, as the catalog writes them.

"#model.layers.{0-2,5}.mlp.gate" stands for layers 0, 1, 2 and 5. `vram_plugins.catalog.short_names` writes them so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

_SHORT = r"#([^{}]*)\{([\d,-]+)\}([^{}]*)"


def expanded_block(block: Mapping[str, object]) -> dict[str, object]:
    """A quantization block with its lists of module names whole again."""
    return {name: each_list(value, expanded) for name, value in block.items()}


def expanded(names: Iterable[str]) -> list[str]:
    """The names that a short list stands for."""
    result: list[str] = []
    for name in names:
        match = re.fullmatch(_SHORT, name)
        if match is None:
            result.append(name)
            continue
        for part in match[2].split(","):
            first, _, last = part.partition("-")
            result.extend(f"{match[1]}{number}{match[3]}" for number in range(int(first), int(last or first) + 1))
    return result


def each_list(value: object, change: Callable[[Iterable[str]], list[str]]) -> object:
    """`change` done to every list of texts, however deep."""
    if isinstance(value, Mapping):
        return {name: each_list(inner, change) for name, inner in value.items()}
    if isinstance(value, list) and len(value) > 0 and all(isinstance(item, str) for item in value):
        return change(value)
    return value
