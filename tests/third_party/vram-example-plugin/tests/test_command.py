from vram.testing import check_plugin


def test_the_command_keeps_the_contracts() -> None:
    check_plugin("vram_example.announced")
