"""Reading what a model's files say: from a path, the Hub cache, the Hub, the bundled catalog, or by hand.

Public are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.checkpoint.awaited import stand_ins
    from vram.checkpoint.catalog import CatalogModel, find, id_named, list_catalog, near_ids
    from vram.checkpoint.files import read_whole
    from vram.checkpoint.manual import manual_checkpoint
    from vram.checkpoint.readable import models_only_from
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.checkpoint.awaited": "stand_ins",
            "vram.checkpoint.catalog": "CatalogModel find id_named list_catalog near_ids",
            "vram.checkpoint.files": "read_whole",
            "vram.checkpoint.manual": "manual_checkpoint",
            "vram.checkpoint.readable": "models_only_from",
        },
    )

__all__ = [
    "CatalogModel",
    "find",
    "id_named",
    "list_catalog",
    "manual_checkpoint",
    "models_only_from",
    "near_ids",
    "read_whole",
    "stand_ins",
]
