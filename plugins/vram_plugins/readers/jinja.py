"""`{{ name }}` in Ansible's texts: values that variables at hand have, with `default` and the filters that change none."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from vram_plugins.readers.documents import Block, Items, Text, text_at, with_texts

_NAME = r"[A-Za-z_]\w*(?:\.\w+|\[['\"]\w+['\"]\])*"
_PUT = re.compile(
    rf"\{{\{{-?\s*({_NAME})\s*(?:\|\s*(?:default|d)\(\s*(?:'([^']*)'|\"([^\"]*)\"|([\w.-]+))\s*(?:,\s*\w+\s*)?\)\s*)?"
    r"(?:\|\s*(?:int|string|float|quote|lower|trim|to_json)\s*)*-?\}\}"
)
_WHOLE = re.compile(rf"\s*\{{\{{-?\s*({_NAME})\s*-?\}}\}}\s*")
_MAX_DEPTH = 4  # of variables that are made of others
_LONGEST = 1 << 16


def filled(value: Any, variables: Mapping[str, Any], depth: int = 0) -> Any:
    """A value with variables put in; what none of them tells stays as it stands."""
    return with_texts(value, lambda text: _text(text, variables, depth))


def named(path: str, variables: Mapping[str, Any]) -> Any:
    """What `a.b['c']` is among variables; None where that is not known."""
    held: Any = variables
    for part in re.findall(r"\w+", path):
        held = held.get(part) if isinstance(held, Mapping) else None
    return held


def _text(value: Text, variables: Mapping[str, Any], depth: int) -> Any:
    if "{{" not in value or depth > _MAX_DEPTH:
        return value
    whole = _WHOLE.fullmatch(value)
    if whole is not None and isinstance(held := named(whole[1], variables), Block | Items):
        return filled(held, variables, depth + 1)
    grown = 0

    def put(match: re.Match[str]) -> str:
        nonlocal grown
        held = named(match[1], variables)
        default = next((group for group in match.groups()[1:] if group is not None), match[0])
        found = str(filled(held, variables, depth + 1)) if isinstance(held, Text) else default
        grown += len(found)
        return found if grown <= _LONGEST else match[0]

    return text_at(_PUT.sub(put, value), value.line)
