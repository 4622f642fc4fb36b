"""Built-in readers of deployment files, one module each: their names, without importing any."""

from __future__ import annotations

from collections.abc import Iterator

from vram import hookimpl
from vram.models.later import Later

#: modules, each of one reader of its own name (underscores are hyphens)
NAMES = ("compose", "kubernetes")


@hookimpl
def vram_deployment_readers() -> Iterator[Later]:
    """Each module's name."""
    for name in NAMES:
        yield Later(names=(name.replace("_", "-"),), load=f"{__name__}.{name}:reader")
