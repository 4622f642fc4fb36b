"""YAML of a file this program reads: safe, limited in size, and read alike by YAML 1.1 and 1.2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vram.errors import CheckpointError

_MAX_BYTES = 1 << 20


def read_yaml(path: str | Path) -> Any:
    """The one document of a file. Raises CheckpointError naming the file, and the line where it is not YAML."""
    import yaml

    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise CheckpointError(path=str(path), problem="is larger than any profile (1 MiB)")
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise CheckpointError(path=str(path), problem=f"cannot be read ({error.strerror or error})") from None
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
