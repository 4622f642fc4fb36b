"""Discovery, conflicts, broken and disabled plugins."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterable
from importlib.metadata import EntryPoint

import pytest

from vram import hookimpl
from vram.errors import PluginError
from vram.models.profile import OverheadProfile
from vram.plugin.manager import Plugins


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch):
    """Puts a module with given attributes where an entry point finds it; gives the entry point."""

    def make(name: str, **attributes: object) -> EntryPoint:
        module = types.ModuleType(f"made_up_{name}")
        vars(module).update(attributes)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return EntryPoint(name=name, value=module.__name__, group="vram")

    return make


def profiles_hook(*names: str):
    @hookimpl
    def vram_overhead_profiles() -> Iterable[OverheadProfile]:
        return [OverheadProfile(name=name) for name in names]

    return vram_overhead_profiles


def test_a_plugin_gives_its_records_by_name(plugin) -> None:
    found = Plugins([plugin("mine", vram_overhead_profiles=profiles_hook("lab"))], disabled=())
    assert found.profiles["lab"].name == "lab"
    assert found.infos[0].hooks == ("vram_overhead_profiles",)


def test_a_plugin_that_cannot_be_imported_is_named_and_skipped(plugin) -> None:
    broken = EntryPoint(name="broken", value="no_such_module_anywhere", group="vram")
    found = Plugins([broken, plugin("mine", vram_overhead_profiles=profiles_hook("lab"))], disabled=())
    assert "lab" in found.profiles
    assert [(i.name, "No module named" in (i.error or "")) for i in found.failures] == [("broken", True)]


def test_a_hook_that_raises_does_not_kill_the_others(plugin) -> None:
    @hookimpl
    def vram_overhead_profiles():
        raise ZeroDivisionError("a bug")

    entries = [
        plugin("bad", vram_overhead_profiles=vram_overhead_profiles),
        plugin("good", vram_overhead_profiles=profiles_hook("lab")),
    ]
    found = Plugins(entries, disabled=())
    assert set(found.profiles) == {"lab"}
    assert "ZeroDivisionError" in str(found.failures[0].error)


def test_a_hook_that_gives_the_wrong_type_is_a_failure_of_that_plugin(plugin) -> None:
    @hookimpl
    def vram_overhead_profiles():
        return ["not a profile"]

    found = Plugins([plugin("wrong", vram_overhead_profiles=vram_overhead_profiles)], disabled=())
    assert not found.profiles
    assert "gives a str, not a OverheadProfile" in str(found.failures[0].error)


def test_a_plugin_with_a_hook_nobody_knows_is_a_failure(plugin) -> None:
    @hookimpl
    def vram_no_such_hook():
        return []

    found = Plugins([plugin("odd", vram_no_such_hook=vram_no_such_hook)], disabled=())
    assert "unknown hooks vram_no_such_hook" in str(found.failures[0].error)


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_two_plugins_that_claim_one_name_are_an_error_naming_both(plugin, order: tuple[str, str]) -> None:
    entries = [plugin(name, vram_overhead_profiles=profiles_hook("lab")) for name in order]
    with pytest.raises(PluginError, match=r"'lab' is claimed by both a \(.*and b \("):
        _ = Plugins(entries, disabled=()).profiles


def test_a_disabled_plugin_is_not_loaded_and_still_listed(plugin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VRAM_DISABLED_PLUGINS", "mine, ,other")
    found = Plugins([plugin("mine", vram_overhead_profiles=profiles_hook("lab"))])
    assert not found.profiles
    assert [(i.name, i.disabled, i.error) for i in found.infos] == [("mine", True, None)]
