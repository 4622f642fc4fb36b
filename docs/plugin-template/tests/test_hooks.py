import pytest

from vram.testing import check_plugin


@pytest.mark.parametrize("module", ["vram_mine.hooks", "vram_mine.commands"])
def test_the_plugin_keeps_the_contracts(module: str) -> None:
    check_plugin(module)
