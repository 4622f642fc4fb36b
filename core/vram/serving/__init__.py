"""`vllm serve` commands as people write them: pasted, in scripts, compose files and Kubernetes manifests.

Public are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.serving.command import ServeCommand, parse_words
    from vram.serving.numbers import parse_count
    from vram.serving.one import (
        check_platform,
        one_server,
        parse_file,
        parse_text,
        place_of,
        printable,
        read_as,
        servers_in,
        with_models,
    )
    from vram.serving.reading import ReadServer, servers_of
    from vram.serving.words import serve_flags_of
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.serving.command": "ServeCommand parse_words",
            "vram.serving.numbers": "parse_count",
            "vram.serving.one": "check_platform one_server parse_file parse_text place_of printable read_as servers_in with_models",
            "vram.serving.reading": "ReadServer servers_of",
            "vram.serving.words": "serve_flags_of",
        },
    )

__all__ = [
    "ReadServer",
    "ServeCommand",
    "check_platform",
    "one_server",
    "parse_count",
    "parse_file",
    "parse_text",
    "parse_words",
    "place_of",
    "printable",
    "read_as",
    "serve_flags_of",
    "servers_in",
    "servers_of",
    "with_models",
]
