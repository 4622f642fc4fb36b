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
        if schema is not None and schema.get("type") == "array":
            found[name] = [*found.get(name, ()), *value]
        elif name in found:
            raise InputError(name=name, value=text[:80], problem="is given twice")
        else:
            found[name] = value
    return found


def _value(text: str, schema: Mapping[str, Any], name: str) -> Any:
    match schema.get("type"):
        case "string":
            return text
        case "boolean":
            return _TRUTHS.get(text.lower(), text)
        case "array":
            items = schema.get("items", {})
            return [_value(part.strip(), items, name) for part in text.split(",")] if text else []
        case "integer" | "number":
            return _json(text, name, otherwise=text)
        case "object":
            return _json(text, name, otherwise=text)
        case _:  # a flag that may take anything
            return _json(text, name, otherwise=text)


def _json(text: str, name: str, *, otherwise: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError:
        return otherwise
    except RecursionError:
        raise InputError(name=name, value=None, problem="is nested too deep") from None


def _refuse(word: str) -> float:
    raise ValueError(word)
