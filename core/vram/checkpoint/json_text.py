"""JSON from strangers: bounded in size and depth, always an object, every fault a CheckpointError."""

from __future__ import annotations

import json
from typing import cast

from vram.errors import CheckpointError

#: the largest config.json seen in the wild is under 1 MiB (ignore lists of mixed-precision models)
MAX_CONFIG_BYTES = 16 * 2**20
#: an index is a name and a file per tensor: 100 MB would be a million tensors
MAX_INDEX_BYTES = 100_000_000

#: Python's objects take up to thirty times the room of "[],": so few brackets and commas bound the memory
_MAX_CONTAINERS, _MAX_COMMAS = 300_000, 2_000_000
_MAX_DEPTH = 64  # configs nest four or five levels; recursion elsewhere must stay safe


def parse_object(data: bytes, path: str, *, limit: int = MAX_CONFIG_BYTES) -> dict[str, object]:
    """The JSON object in `data`, UTF-8 with or without a byte order mark.

    NaN and infinities are let through, as real configs hold them (`time_step_limit`: [0.0, Infinity]); whoever
    reads a field as a number refuses them there. `path` is what the error names. Raises CheckpointError.
    """
    if len(data) > limit:
        raise CheckpointError(path=path, problem=f"is larger than {limit:,} bytes, which no such file is")
    if data.count(b"[") + data.count(b"{") > _MAX_CONTAINERS or data.count(b",") > _MAX_COMMAS:
        raise CheckpointError(path=path, problem="holds more lists, objects and values than any such file")
    try:
        value = json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise CheckpointError(path=path, problem="is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise CheckpointError(path=path, problem=f"is not valid JSON ({error.msg} at {where})") from None
    except RecursionError:
        raise CheckpointError(path=path, problem="is nested too deeply") from None
    except ValueError:  # integers beyond Python's digit limit
        raise CheckpointError(path=path, problem="holds a number of more than 4,300 digits") from None
    if not isinstance(value, dict):
        raise CheckpointError(path=path, problem=f"must hold a JSON object, not {type(value).__name__}")
    if _is_deeper_than(value, _MAX_DEPTH):
        raise CheckpointError(path=path, problem=f"is nested more than {_MAX_DEPTH} levels deep")
    return cast("dict[str, object]", value)


def _is_deeper_than(value: object, limit: int) -> bool:
    """Level by level without recursion, so that the check itself cannot overflow."""
    level = [value]
    for _ in range(limit):
        deeper: list[object] = []
        for item in level:
            children = item.values() if isinstance(item, dict) else item if isinstance(item, list) else ()
            deeper.extend(child for child in children if isinstance(child, dict | list))
        if not deeper:
            return False
        level = deeper
    return True
