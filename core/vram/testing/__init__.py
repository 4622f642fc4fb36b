"""Contract tests for plugins: what a hook gives, held against what it must be. In three lines:

    from vram.testing import check_plugin

    def test_my_plugin() -> None:
        check_plugin("my_package.my_module")

`vram plugins check` does the same for everything installed.
"""

from __future__ import annotations

from vram.testing.contract import check_plugin, problems_of

__all__ = ["check_plugin", "problems_of"]
