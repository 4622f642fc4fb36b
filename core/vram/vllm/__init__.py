"""How vLLM behaves, by version: facts and formulas read from its wheels.

Public are the names below.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vram.vllm.versions import (
    NEWEST,
    Behaviour,
    Version,
    assumed_of,
    behaviour,
    format_version,
    newest_for,
    parse_version,
)

if TYPE_CHECKING:
    from vram.vllm.faults import Fault, met_by
__all__ = [
    "NEWEST", "Behaviour", "Fault", "Version", "assumed_of", "behaviour", "format_version", "met_by", "newest_for", "parse_version",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in ("Fault", "met_by"):  # the list of faults is read when somebody asks for it
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("vram.vllm.faults"), name)
