"""Files that tell of a whole model by themselves, in the formats that plugins read."""

from __future__ import annotations

from collections.abc import Iterable

from vram.models.checkpoint import Checkpoint
from vram.models.checkpoint_format import CheckpointFormat, ReadStart
from vram.plugin.manager import plugins


def suffixes() -> tuple[str, ...]:
    """The ends of their names. No plugin's reader is imported to tell."""
    return tuple(plugins().checkpoint_formats)


def format_of(name: str) -> CheckpointFormat | None:
    """The format of a file's name, None where it is none of theirs."""
    suffix = next((suffix for suffix in suffixes() if name.endswith(suffix)), "")
    found: CheckpointFormat | None = plugins().checkpoint_formats.get(suffix)
    return found


def format_names() -> str:
    """All formats, for sentences: "GGUF"."""
    return " or ".join(dict.fromkeys(form.name for form in plugins().checkpoint_formats.values())) or "whole-model"


def open_parts(form: CheckpointFormat, parts: Iterable[tuple[str, ReadStart]], *, model: str, path: str) -> Checkpoint:
    """A model from the headers of its parts: each one's path, and how to read its start. Raises HeaderError, CheckpointError."""
    headers = tuple(form.read_header(read, part) for part, read in parts)
    return form.checkpoint(headers, model=model, path=path)
