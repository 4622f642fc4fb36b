"""From an answer to the files that run it, and from such files back to a request.

Public are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.deploy.generate import artifact_request, render_files, split_extra
    from vram.deploy.writing import write_files
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.deploy.generate": "artifact_request render_files split_extra",
            "vram.deploy.writing": "write_files",
        },
    )

__all__ = ["artifact_request", "render_files", "split_extra", "write_files"]
