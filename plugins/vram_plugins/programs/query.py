"""A question in an address: its fields as text, each read as its schema says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from vram.errors import InputError

_TRUTHS = {"true": True, "1": True, "false": False, "0": False}


def question_in(pairs: Sequence[tuple[str, str]], fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The question's fields, to be checked as those of a body. Raises InputError."""
    found: dict[str, Any] = {}
    for name, text in pairs:
        schema = fields.get(name)
        value = text if schema is None else _value(text, schema, name)  # an unknown one is told with all others
        if schema is not None and is_listed(schema):
            found[name] = [*found.get(name, ()), *value]
        elif name in found:
            raise InputError(name=name, value=text[:80], problem="is given twice")
        else:
            found[name] = value
    return found


def is_listed(schema: Mapping[str, Any]) -> bool:
    """Whether a field is words or numbers with commas in an address; all else that is no word or number is JSON there."""
    return schema.get("type") == "array" and schema.get("items", {}).get("type") not in ("array", "object")


def _value(text: str, schema: Mapping[str, Any], name: str) -> Any:
    if is_listed(schema):
        return [_value(part.strip(), schema.get("items", {}), name) for part in text.split(",")]
    match schema.get("type"):
        case "string":
            return text
        case "boolean":
            return _TRUTHS.get(text.lower(), text)
        case _:
            return _json(text, name)


def _json(text: str, name: str) -> Any:
    """Its value; text that is no JSON stays text, which the field's schema then refuses or takes."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return text
    except RecursionError:
        raise InputError(name=name, value=None, problem="is nested too deep") from None


def _refuse(word: str) -> float:
    raise ValueError(word)
