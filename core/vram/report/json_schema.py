"""The JSON schema of an answer, generated from the records themselves.

python -m vram.report.json_schema > schema.json
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import attrs

from vram.models.estimate import SCHEMA_VERSION, Estimate

_PRIMITIVES: dict[Any, dict[str, Any]] = {
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}


def estimate_schema() -> dict[str, Any]:
    """The schema of `vram estimate --json` (draft 2020-12)."""
    definitions: dict[str, Any] = {}
    root = record_schema(Estimate, definitions)
    root["properties"] = {"schema_version": {"const": SCHEMA_VERSION}, **root["properties"]}
    root["required"] = ["schema_version", *root["required"]]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "vram estimate",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def record_schema(record: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a record as `attrs.asdict` gives it; those of the records in it are added to `definitions`, under `$defs`."""
    hints = get_type_hints(record)
    properties = {}
    for attribute in attrs.fields(record):
        if attribute.metadata.get("contract", True) and attribute.name != "explanation":
            properties[attribute.name] = _schema(hints[attribute.name], definitions)
    return {
        "type": "object",
        "description": (record.__doc__ or "").strip().split("\n\n")[0].replace("\n", " "),
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _schema(hint: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    if hint in _PRIMITIVES:
        return _PRIMITIVES[hint]
    if attrs.has(hint):
        if hint.__name__ not in definitions:
            definitions[hint.__name__] = {}  # known while its fields are read
            definitions[hint.__name__] = record_schema(hint, definitions)
        return {"$ref": f"#/$defs/{hint.__name__}"}
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in {Union, types.UnionType}:
        return {"anyOf": [_schema(option, definitions) for option in arguments]}
    if origin is Mapping:
        return {"type": "object"}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], definitions)}
    raise TypeError(f"no JSON schema for {hint!r}")


if __name__ == "__main__":
    import json
    import sys

    json.dump(estimate_schema(), sys.stdout, indent=1)
    sys.stdout.write("\n")
