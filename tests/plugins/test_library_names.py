"""`vram.plan` and `vram.compare` are promised by the core and answered by plugins: typed, replaceable, and missed in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from pathlib import Path
from typing import Any

import pytest
from tests.command import vram as run

import vram
from vram.errors import NotGivenError, VramError
from vram.models.command import PROMISED
from vram.models.comparison import Comparer
from vram.models.plan import Planner
from vram_plugins.web.advice import planned
from vram_plugins.web.gpus import compared

TYPED: dict[str, type] = {"plan": Planner, "compare": Comparer}


def test_each_promised_name_is_typed() -> None:
    assert set(TYPED) == PROMISED
    assert set(vram.__all__) >= PROMISED


def arguments(function: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    return [(each.name, each.kind, each.default) for each in signature(function).parameters.values()]


@pytest.mark.parametrize("name", TYPED)
def test_a_name_takes_the_arguments_that_type_checkers_know(name: str) -> None:
    promised = arguments(TYPED[name].__call__)
    assert promised[0] == ("self", Parameter.POSITIONAL_OR_KEYWORD, Parameter.empty)
    assert arguments(getattr(vram, name)) == promised[1:]


@pytest.mark.parametrize("name", TYPED)
def test_without_its_command_a_name_is_missed_in_one_sentence(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VRAM_DISABLED_PLUGINS", f"command_{name}")
    with pytest.raises(NotGivenError, match=f"vram.{name} is a plugin's, and none that is loaded gives it") as missed:
        getattr(vram, name)
    assert isinstance(missed.value, VramError)
    assert not hasattr(vram, name)
    assert name in dir(vram)


def test_what_nobody_promised_is_python_s_own_error() -> None:
    with pytest.raises(AttributeError, match="module 'vram' has no attribute 'plann'") as missed:
        _ = vram.plann  # type: ignore[attr-defined]
    assert not isinstance(missed.value, VramError)


def test_a_command_built_on_a_missing_one_says_so(tmp_path: Path) -> None:
    asked = ("generate", "Qwen/Qwen3-8B", "--gpu", "H100", "--recommend", "-o", tmp_path / "a")
    done = run(*asked, VRAM_DISABLED_PLUGINS="command_plan")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: vram.plan is a plugin's")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(("name", "advise"), [("plan", planned), ("compare", compared)])
def test_the_page_says_so_too(name: str, advise: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VRAM_DISABLED_PLUGINS", f"command_{name}")
    with pytest.raises(VramError, match=f"vram.{name} is a plugin's"):
        advise({"model": "Qwen/Qwen3-8B", "gpu": "H100"})
