"""YAML of a file this program reads: safe, limited in size, and read alike by YAML 1.1 and 1.2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vram.checkpoint.files import read_whole
from vram.errors import CheckpointError

_MAX_BYTES = 1 << 20


def read_yaml(path: str | Path) -> Any:
    """The one document of a file. Raises CheckpointError naming the file, and the line where it is not YAML."""
    import yaml

    try:
        text = read_whole(str(path), _MAX_BYTES).decode()
    except UnicodeDecodeError:
        raise CheckpointError(path=str(path), problem="is not text in UTF-8") from None
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            # a few lines of aliases to aliases can stand for gigabytes
            raise CheckpointError(path=str(path), problem="uses YAML aliases, which are not read")
        return yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        line = getattr(getattr(error, "problem_mark", None), "line", None)
        where = f" in line {line + 1}" if line is not None else ""
        raise CheckpointError(path=str(path), problem=f"is not valid YAML{where}") from None
