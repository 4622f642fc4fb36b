"""Built-in deployment files, one module each: their names, without importing any."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later

#: modules, each of one artifact of its own name
NAMES = ("command", "profile", "compose", "k8s", "helm")


@hookimpl
def vram_artifacts() -> Iterator[Later]:
    """Each module's name."""
    for name in NAMES:
        yield Later(names=(name,), load=f"{__name__}.{name}:artifacts")
