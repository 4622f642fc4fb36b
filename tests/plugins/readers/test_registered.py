"""The table of names holds what the modules hold."""

from __future__ import annotations

import pkgutil
from importlib import import_module

from vram.models.deployment_reader import DeploymentReader
from vram.plugin.kinds import load
from vram_plugins import readers


def test_every_line_gives_the_reader_of_its_name() -> None:
    for later in readers.vram_deployment_readers():
        assert tuple(record.name for record in load(later.load)) == later.names  # type: ignore[attr-defined]


def test_every_reader_of_the_package_has_a_line() -> None:
    modules = [import_module(f"{readers.__name__}.{info.name}") for info in pkgutil.iter_modules(readers.__path__)]
    made = {
        value.name
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, DeploymentReader) and value is not DeploymentReader
    }
    assert made == {*readers.READERS}
