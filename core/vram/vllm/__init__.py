"""How vLLM behaves, by version: facts and formulas read from its wheels.

Public are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.lazy import names_from

if TYPE_CHECKING:
    from vram.vllm.versions import NEWEST, Behaviour, Version, behaviour, format_version, parse_version
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.vllm.versions": "NEWEST Behaviour Version behaviour format_version parse_version",
        },
    )

__all__ = ["NEWEST", "Behaviour", "Version", "behaviour", "format_version", "parse_version"]
