"""The page of what is public, the contract that import-linter checks, and the packages themselves say the same."""

from __future__ import annotations

import pkgutil
import re
import tomllib
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import vram

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "public.md").read_text().partition("## What is promised")[0]
ROWS = [line.split("|")[1:-1] for line in PAGE.splitlines() if line.startswith("| `")]
NAMED = {row[0].strip(" `"): set(re.findall(r"`(\w+)`", row[2])) for row in ROWS if len(row) == 3}
LISTED = {pattern for row in ROWS for pattern in re.findall(r"`(vram[\w.*]*)`", row[0])}
MODULES = {"vram", *(found.name for found in pkgutil.walk_packages(vram.__path__, "vram."))}
CONTRACT = next(
    contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    if "public" in contract["name"]
)


def forbidden(module: str) -> bool:
    """As import-linter reads it: a module with all that is inside it."""
    inside = (".".join(module.split(".")[:length]) for length in range(1, module.count(".") + 2))
    return any(fnmatchcase(name, pattern) for name in inside for pattern in CONTRACT["forbidden_modules"])


def test_the_page_lists_exactly_what_the_contract_allows() -> None:
    allowed = {module for module in MODULES if not forbidden(module)}
    listed = {module for module in MODULES if any(fnmatchcase(module, pattern) for pattern in LISTED)}
    assert listed | {"vram.models"} == allowed
    assert set(NAMED) <= MODULES


def test_every_built_in_command_is_held_to_it() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["vram"]
    commands = {module for name, module in declared.items() if name.startswith("command_")}
    assert commands <= set(CONTRACT["source_modules"])


@pytest.mark.parametrize("module", sorted(NAMED))
def test_the_page_names_what_a_package_gives(module: str) -> None:
    assert NAMED[module] == set(import_module(module).__all__)


@pytest.mark.parametrize("module", sorted(NAMED))
def test_a_public_name_is_there_and_no_submodule_takes_its_place(module: str) -> None:
    package = import_module(module)
    for name in MODULES:
        if name.startswith(f"{module}.") and module != "vram":
            import_module(name)
    for name in package.__all__:
        found = getattr(package, name)
        assert not isinstance(found, ModuleType) or callable(found), name  # `vram.gpus()` is a package, too


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"module 'vram\.gpus' has no attribute 'find_gpus'"):
        _ = import_module("vram.gpus").find_gpus
