"""How vLLM behaves, by version: facts and formulas read from its wheels.

Public are the names below.
"""

from __future__ import annotations

from vram.vllm.versions import NEWEST, Behaviour, Version, behaviour, format_version, newest_for, parse_version

__all__ = ["NEWEST", "Behaviour", "Version", "behaviour", "format_version", "newest_for", "parse_version"]
