import pytest

from vram.testing import check_plugin


@pytest.mark.parametrize("module", ["vram_example.plugin", "vram_example.announced"])
def test_the_plugin_keeps_the_contracts(module: str) -> None:
    check_plugin(module)
