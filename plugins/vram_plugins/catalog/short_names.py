"""Lists of module names of which hundreds differ only in a layer's number, written short for the catalog.

"#model.layers.{0-2,5}.mlp.gate" stands for layers 0, 1, 2 and 5. The order of a list is not kept: these are lists of
names to leave out or to include. `vram.checkpoint.numbered_names` reads them back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from vram.checkpoint.numbered_names import each_list

_NUMBERED = r"(.*?\.)(0|[1-9]\d{0,5})((?:[.*].*)?)"
_WORTH = 3  # fewer names than this stay as they are


def shortened_block(block: Mapping[str, object]) -> dict[str, object]:
    """A block with its lists of module names written short, as the catalog holds it."""
    return {name: each_list(value, shortened) for name, value in block.items()}


def shortened(names: Iterable[str]) -> list[str]:
    """The names, those that differ in their first number joined, in alphabetical order."""
    groups: dict[tuple[str, str], set[int]] = {}
    result: set[str] = set()
    for name in names:
        match = re.fullmatch(_NUMBERED, name)
        if match is None or "{" in name:
            result.add(name)
        else:
            groups.setdefault((match[1], match[3]), set()).add(int(match[2]))
    for (before, after), numbers in groups.items():
        if len(numbers) < _WORTH:
            result |= {f"{before}{number}{after}" for number in numbers}
        else:
            result.add(f"#{before}{{{','.join(_ranges(sorted(numbers)))}}}{after}")
    return sorted(result)


def _ranges(numbers: list[int]) -> Iterator[str]:
    """ "0-2", "5": runs of consecutive numbers."""
    first = last = numbers[0]
    for number in [*numbers[1:], -1]:
        if number == last + 1:
            last = number
            continue
        yield str(first) if first == last else f"{first}-{last}"
        first = last = number
