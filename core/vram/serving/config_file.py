"""The file behind `--config`: YAML whose keys are flags, put before those of the command line, which win.

Source: vLLM 0.33.0 `utils/argparse_utils.py:_pull_args_from_config`, `load_config_file`.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence

from vram.checkpoint.files import is_file
from vram.checkpoint.yaml_text import parse_yaml
from vram.errors import CheckpointError, InputError
from vram.models.serve_flags import serve_flags

_MAX_TEXT = 1 << 15


def text_at(path: str) -> str | None:
    """The text of a file of this machine, for commands typed here; None where there is none, or too large a one."""
    if not is_file(path):
        return None
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            text = stream.read(_MAX_TEXT + 1)
    except (OSError, ValueError):
        return None
    return text if len(text) <= _MAX_TEXT else None


def with_config(words: Sequence[str], beside: Callable[[str], str | None]) -> tuple[list[str], tuple[str, ...]]:
    """The words with those of their config file in front, and a sentence where it is not at hand. Raises InputError."""
    name = next((b for a, b in itertools.pairwise(words) if a == "--config"), "")
    name = name or next((word.partition("=")[2] for word in words if word.startswith("--config=")), "")
    if not name:
        return list(words), ()
    text = beside(name)
    if text is None:
        return list(words), (f"--config {name} is not at hand: what it sets is left out.",)
    first = 0 if words[0].startswith("-") else 1  # the model comes first, and wins over the file's
    return [*words[:first], *_flags(name, text, named=bool(first)), *words[first:]], ()


def _flags(name: str, text: str, *, named: bool) -> Iterator[str]:
    try:
        content = parse_yaml(text, name)
    except CheckpointError as error:
        raise InputError(name="config", value=name, problem=str(error.data["problem"])) from None
    if not isinstance(content, dict):
        raise InputError(name="config", value=name, problem="is no list of flags and values")
    for key, value in content.items():
        flag = f"--{key}"
        if named and key in {"model", "model_tag", "model-tag"}:
            continue
        if isinstance(value, bool):
            known = serve_flags().get(str(key).replace("-", "_"))
            if value or (known and known.negatable):
                yield flag if value else f"--no-{key}"
        elif isinstance(value, list):
            yield from (flag, *map(str, value)) if value else ()
        else:
            yield f"{flag}={json.dumps(value) if isinstance(value, dict) else value}"
