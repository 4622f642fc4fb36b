"""A JSON value against the part of JSON schema that questions are described with, so that what is documented is what is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vram.errors import InputError, UnknownNameError

_SHOWN = 80
_DEEPEST = 64
_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_WORDS = {
    "string": "text", "integer": "a whole number", "number": "a number", "boolean": "true or false", "array": "a list",
    "object": "an object",
}  # fmt: skip


def checked_object(content: object, properties: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    """The fields that are given: each known, each of its type; null is not given.

    Raises UnknownNameError for a field nobody knows, InputError for one that is not as its schema says.
    """
    if not isinstance(content, dict):
        raise InputError(name=where or "question", value=None, problem="must be a JSON object")
    if not where:
        _check_bounds(content)
    for name in content:
        if name not in properties:
            raise UnknownNameError(kind=f"field of {where}" if where else "field", name=name, known=tuple(properties))
    within = f"{where}." if where else ""
    return {
        name: checked_value(value, properties[name], within + name)
        for name, value in content.items()
        if value is not None
    }


def checked_value(value: Any, schema: Mapping[str, Any], name: str) -> Any:
    """The value, a whole number written as 2.0 as one. Raises InputError, UnknownNameError."""
    kinds = schema.get("type", ())
    kinds = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    if isinstance(value, float) and value.is_integer() and "integer" in kinds and "number" not in kinds:
        value = int(value)
    if kinds and not any(_is_of(value, kind) for kind in kinds):
        raise InputError(name=name, value=_shown(value), problem=f"must be {' or '.join(_WORDS[k] for k in kinds)}")
    if "enum" in schema and value not in schema["enum"]:
        raise InputError(name=name, value=_shown(value), problem=f"must be {', '.join(map(str, schema['enum']))}")
    if isinstance(value, str):
        return _text(value, schema, name)
    if isinstance(value, list):
        return _list(value, schema, name)
    if isinstance(value, dict) and "properties" in schema:
        found = checked_object(value, schema["properties"], name)
        for needed in schema.get("required", ()):
            if needed not in found:
                raise InputError(name=f"{name}.{needed}", value=None, problem="is missing")
        return found
    if isinstance(value, dict) and isinstance(schema.get("additionalProperties"), Mapping):
        return {key: checked_value(one, schema["additionalProperties"], f"{name}.{key}") for key, one in value.items()}
    return value


def _check_bounds(content: dict[str, Any]) -> None:
    """Raises InputError for what no question has: values nested too deep to be read, numbers that are none."""
    waiting: list[tuple[int, str, Any]] = [(1, name, value) for name, value in content.items()]
    while waiting:
        depth, name, value = waiting.pop()
        if isinstance(value, dict | list):
            if depth > _DEEPEST:
                raise InputError(name=name, value=None, problem=f"is nested deeper than {_DEEPEST} levels")
            inner = value.values() if isinstance(value, dict) else value
            waiting += [(depth + 1, name, one) for one in inner]
        elif isinstance(value, float) and not math.isfinite(value):
            raise InputError(name=name, value=str(value), problem="must be a finite number")


def _text(value: str, schema: Mapping[str, Any], name: str) -> str:
    most = schema.get("maxLength")
    if most is not None and len(value) > most:
        raise InputError(name=name, value=None, problem=f"is longer than {most:,} characters")
    if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
        raise InputError(name=name, value=None, problem="has a character that no text has")
    return value


def _list(value: list[Any], schema: Mapping[str, Any], name: str) -> list[Any]:
    most, least = schema.get("maxItems"), schema.get("minItems", 0)
    if most is not None and not least <= len(value) <= most:
        raise InputError(
            name=name, value=None, problem=f"must have from {least} to {most} entries (it has {len(value):,})"
        )
    items = schema.get("items")
    return value if items is None else [checked_value(one, items, name) for one in value]


def _is_of(value: object, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _KINDS[kind])


def _shown(value: object) -> object:
    """The offending word; of what is no word only its kind."""
    if isinstance(value, str):
        return value[:_SHOWN]
    if isinstance(value, bool | float) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**64 else "a huge number"
    return "a list" if isinstance(value, list) else "an object"
