"""Reading what a model's files say: from a path, the Hub cache, the Hub, the bundled catalog, or by hand.

Public are the names below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.checkpoint.catalog import CatalogModel, find, id_named, list_catalog, near_ids
    from vram.checkpoint.manual import manual_checkpoint
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.checkpoint.catalog": "CatalogModel find id_named list_catalog near_ids",
            "vram.checkpoint.manual": "manual_checkpoint",
        },
    )

__all__ = ["CatalogModel", "find", "id_named", "list_catalog", "manual_checkpoint", "near_ids"]
