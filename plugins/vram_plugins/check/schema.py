"""The JSON schema of what `vram check --json` writes (draft 2020-12).

python -m vram_plugins.check.schema > schema.json
"""

from __future__ import annotations

from typing import Any, get_args

from vram.report import estimate_schema
from vram_plugins.check.records import Status

_TEXT = {"type": "string"}
_MAYBE = {"type": ["string", "null"]}
_NOTES = {"type": "array", "items": _TEXT}
_PROPERTIES: dict[str, dict[str, Any]] = {
    "file": {**_TEXT, "description": "relative to the working directory where it is inside, with slashes"},
    "line": {"type": "integer", "minimum": 1},
    "server": {**_TEXT, "description": "what the file calls it; empty where it has no name"},
    "kind": {**_TEXT, "description": "what it is written in; file: a file that cannot be read"},
    "model": _MAYBE,
    "gpu": {**_MAYBE, "description": "its full name where it is known, else as the file has it"},
    "status": {"enum": [*get_args(Status)]},
    "problem": {**_MAYBE, "description": "why it does not pass; null where it starts and fits"},
    "left_out": {**_NOTES, "description": "what was read and does not count"},
    "assumed": {**_NOTES, "description": "what the file does not say, and what was taken for it"},
    "estimate": {"anyOf": [{"$ref": "#/$defs/Estimate"}, {"type": "null"}]},
    "change": {**_MAYBE, "description": "the smallest change with which it starts and fits"},
    "gpus": {"type": ["integer", "null"], "description": "how many the file gives to a process"},
    "read_as": {**_MAYBE, "description": "what was understood, as one line"},
}


def check_schema() -> dict[str, Any]:
    """A list of results, each with the whole answer where there is one."""
    answer = estimate_schema()
    definitions = {"Estimate": {k: v for k, v in answer.items() if k not in ("$schema", "$defs")}, **answer["$defs"]}
    result = {
        "type": "object",
        "properties": _PROPERTIES,
        "required": list(_PROPERTIES),
        "additionalProperties": False,
    }
    return {
        "$schema": answer["$schema"],
        "title": "vram check",
        "type": "array",
        "items": result,
        "$defs": dict(sorted(definitions.items())),
    }


if __name__ == "__main__":
    import json
    import sys

    json.dump(check_schema(), sys.stdout, indent=1)
    sys.stdout.write("\n")
