"""Every hook's docstring has a whole plugin, and that plugin keeps the contract."""

from __future__ import annotations

import sys
import textwrap
import types
from pathlib import Path

import pytest
from tests.docs.test_pages import ROOT, programs

from vram.plugin import hookspecs
from vram.plugin.manager import HOOKS
from vram.testing import problems_of

ENGINE = ROOT / "docs" / "how-to" / "add-an-engine.md"


def examples(hook: str) -> list[str]:
    """The blocks of code of a docstring, which begin with an import."""
    text = textwrap.dedent((getattr(hookspecs, hook).__doc__ or "").partition("\n")[2])
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("    ") or (not line.strip() and blocks and blocks[-1]):
            if not blocks:
                blocks.append([])
            blocks[-1].append(line)
        elif line.strip():
            blocks.append([])
    return [textwrap.dedent("\n".join(block)) for block in blocks if any("import" in line for line in block)]


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_keeps_the_contract(hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *more = examples(hook)
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text(first)
    if hook == "vram_overhead_profiles":
        toml = Path(__file__).parents[3] / "docs/plugin-template/src/vram_mine/my_gpu.toml"
        (package / "my_gpu.toml").write_text(toml.read_text())
    if hook == "vram_engines":
        (page,) = (text for name, kind, text in programs(ENGINE) if kind == "python")
        (package / "engine.py").write_text(page.replace("check_plugin(sys.modules[__name__])", ""))
    if more:
        (package / "weigh.py").write_text(more[0])
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        monkeypatch.delitem(sys.modules, name)
    assert problems_of("my_package") == ()
    assert isinstance(sys.modules["my_package"], types.ModuleType)
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]
