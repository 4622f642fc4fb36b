"""Every built-in plugin is an entry point, as a third party's would be."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_module_with_a_hook_is_an_entry_point_of_the_package() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["vram"]
    folder = ROOT / "plugins"
    modules = {
        ".".join(file.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        for file in folder.rglob("*.py")
        if "\n@hookimpl" in file.read_text()
    }
    assert modules == set(declared.values())
