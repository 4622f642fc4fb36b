"""`vllm serve` commands as people write them: pasted, in scripts, compose files and Kubernetes manifests.

Public are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.serving.command import ServeCommand, parse_text, parse_words
    from vram.serving.numbers import parse_count
    from vram.serving.reading import parse_file
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.serving.command": "ServeCommand parse_text parse_words",
            "vram.serving.numbers": "parse_count",
            "vram.serving.reading": "parse_file",
        },
    )

__all__ = ["ServeCommand", "parse_count", "parse_file", "parse_text", "parse_words"]
