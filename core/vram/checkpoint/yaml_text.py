"""YAML of strangers: safe, limited in size and depth, without aliases, and read alike by YAML 1.1 and 1.2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vram.checkpoint.files import read_whole
from vram.errors import CheckpointError

_MAX_BYTES = 1 << 20
_MAX_DEPTH = 64  # a bracket costs the scanner as much as all around it: ten thousand take a minute


def read_yaml(path: str | Path) -> Any:
    """The one document of a file. Raises CheckpointError naming the file, and the line where it is not YAML."""
    try:
        return parse_yaml(read_whole(str(path), _MAX_BYTES).decode(), str(path))
    except UnicodeDecodeError:
        raise CheckpointError(path=str(path), problem="is not text in UTF-8") from None


def parse_yaml(text: str, path: str) -> Any:
    """The one document of a text; `path` is what the error names. Raises CheckpointError."""
    import yaml  # slow to import

    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                raise CheckpointError(path=path, problem=f"is nested more than {_MAX_DEPTH} levels deep")
            if isinstance(event, yaml.AliasEvent):  # a few lines of aliases to aliases can stand for gigabytes
                raise CheckpointError(path=path, problem="uses YAML aliases, which are not read")
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" in line {line + 1}" if line is not None else ""
        raise CheckpointError(path=path, problem=f"is not valid YAML{where}") from None
