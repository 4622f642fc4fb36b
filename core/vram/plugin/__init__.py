"""Where plugins meet the core: hooks, discovery, and whom to blame.

Public are the names below; `vram.hookimpl` is the marker.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vram.plugin.lazy import names_from

if TYPE_CHECKING:
    from vram.plugin.discovery import PluginInfo
    from vram.plugin.manager import Plugins, plugins
else:
    __getattr__ = names_from(
        __name__,
        {
            "vram.plugin.discovery": "PluginInfo",
            "vram.plugin.manager": "Plugins plugins",
        },
    )

__all__ = ["PluginInfo", "Plugins", "plugins"]
