"""Whether a local checkpoint is still the one that was read."""

from __future__ import annotations

import os

from vram.checkpoint.readable import folders

#: files besides the path itself that decide what is read of a folder
_READ = ("config.json", "hf_quant_config.json", "params.json", "model.safetensors.index.json", "model.safetensors")


def stamp(path: str) -> tuple[object, ...]:
    """Changes when a local checkpoint does, and what of them may be read; the same for Hub ids, whose revision is cached anyway."""
    found: list[object] = [] if folders() is None else [folders()]
    local = os.path.expanduser(path)
    for name in (local, *(os.path.join(local, file) for file in _READ)):
        try:
            status = os.stat(name)
        except (OSError, ValueError):
            continue
        found.append((name, status.st_mtime_ns, status.st_size))
    return tuple(found)
