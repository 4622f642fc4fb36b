"""What the shell's `read` makes of a text: one value for each of its names, or an array."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vram_plugins.readers.shell_values import Value
from vram_plugins.readers.shell_words import END

#: options of bash's `read`, and of its `mapfile`, that take a word (bash(1))
_TAKING, _MAP_TAKING = "adinNptu", "dnOsucC"
_NAME = re.compile(r"[A-Za-z_]\w*")
_MOST = 512


def read_names(words: Sequence[str]) -> list[str]:
    """The variables that `read`, `mapfile` or `readarray` sets; none where it names none."""
    names: list[str] = []
    index = 1
    while index < len(words):
        word = words[index]
        index += 1
        if not word.startswith("-"):
            names.append(word)
            continue
        letter = word[-1]
        if letter == "a" and words[0] == "read" and index < len(words):
            names.append(words[index])
        index += letter in (_TAKING if words[0] == "read" else _MAP_TAKING)
    return [name for name in names if _NAME.fullmatch(name)]


def read_values(words: Sequence[str], names: Sequence[str], text: str | None, separators: str) -> list[Value | None]:
    """A value for each name, None where nothing tells it; `-d ''` takes the whole text, any other its first line."""
    if text is None or END in text:
        whole = text if text is not None and len(names) == 1 and _whole(words) else None
        return [whole for _ in names]
    if not _whole(words):
        text = text.split("\n", 1)[0]
    if any(re.fullmatch(r"-\w*a", word) for word in words[1:]):
        return [tuple(_split(text, separators, _MOST)) for _ in names]
    if len(names) == 1:
        return [text.strip()]
    fields = _split(text, separators, len(names))
    return [*fields, *([""] * (len(names) - len(fields)))]


def _whole(words: Sequence[str]) -> bool:
    return any(re.fullmatch(r"-\w*d", word) for word in words[1:])


def _split(text: str, separators: str, most: int) -> list[str]:
    """Fields as `IFS` splits them; the last takes what is left."""
    if not separators:
        return [text]
    if separators.isspace():
        return text.split(None, most - 1)
    fields = re.split(f"[{re.escape(separators)}]", text, maxsplit=most - 1)
    return fields[:-1] if fields and not fields[-1] and len(fields) > 1 else fields
