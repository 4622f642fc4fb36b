"""The plugin against the contracts of the hooks it implements."""

from __future__ import annotations

from vram.testing import check_plugin


def test_the_plugin_keeps_the_contracts() -> None:
    check_plugin("vram_tide.plugin")
