"""The program for foreign interpreters: old grammar, nothing of vram, nothing but the standard library before it pretends."""

from __future__ import annotations

import ast
import sys

import pytest

from vram_plugins.ask_vllm.conversation import CHILD

TREE = ast.parse(CHILD.read_text())


def test_it_is_python_3_9() -> None:
    ast.parse(CHILD.read_text(), feature_version=(3, 9))
    unions = [node for node in ast.walk(TREE) if isinstance(node, ast.Match | ast.TryStar)]
    assert not unions


def test_annotations_are_never_evaluated() -> None:
    first = next(node for node in TREE.body if isinstance(node, ast.ImportFrom))
    assert first.module == "__future__"
    assert first.names[0].name == "annotations"


@pytest.mark.parametrize(
    "node", [n for n in ast.walk(TREE) if isinstance(n, ast.Import | ast.ImportFrom)], ids=ast.unparse
)
def test_it_imports_nothing_of_vram(node: ast.Import | ast.ImportFrom) -> None:
    names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
    allowed = {*sys.stdlib_module_names, "torch", "vllm"}
    assert {name.partition(".")[0] for name in names} <= allowed
    if node in TREE.body:
        assert not {name.partition(".")[0] for name in names} & {"torch", "vllm"}
