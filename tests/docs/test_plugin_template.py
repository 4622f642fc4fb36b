"""The template that plugin authors copy, and the tutorial's package, hold against the contracts."""

from __future__ import annotations

import ast
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from vram.plugin.manager import HOOKS
from vram.testing import problems_of

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "docs" / "plugin-template"
TUTORIAL = ROOT / "tests" / "third_party" / "vram-example-plugin"


@pytest.mark.parametrize("package", [TEMPLATE, TUTORIAL], ids=lambda path: path.name)
def test_a_package_to_copy_keeps_the_contracts(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    declared = tomllib.loads((package / "pyproject.toml").read_text())["project"]["entry-points"]["vram"]
    monkeypatch.syspath_prepend(package / "src")
    for module in declared.values():
        assert problems_of(module) == ()
        monkeypatch.delitem(sys.modules, module)


def test_the_template_shows_every_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(TEMPLATE / "src")
    shown = [import_module(f"vram_mine.{name}") for name in ("hooks", "commands")]
    for module in shown:
        monkeypatch.delitem(sys.modules, module.__name__)
    assert {name for name in HOOKS if any(hasattr(module, name) for module in shown)} == set(HOOKS)


def test_the_tutorials_format_is_under_sixty_lines() -> None:
    """Lines that say something: neither blank nor docstring."""
    lines = 0
    for name in ("__init__", "three_bit", "plugin"):
        text = (TUTORIAL / "src" / "vram_example" / f"{name}.py").read_text()
        documentation = {
            line
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node)
            for line in range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1)
        }
        numbered = enumerate(text.splitlines(), start=1)
        lines += sum(bool(line.strip()) and number not in documentation for number, line in numbered)
    assert lines < 60
