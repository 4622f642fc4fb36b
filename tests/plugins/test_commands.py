"""Built-in commands are plugins: without one of them its word is unknown, and everything else works."""

from __future__ import annotations

import json
from importlib.metadata import distribution

import pytest
from tests.command import vram

from vram.plugin.commands import given_commands
from vram.plugin.manager import Plugins
from vram.plugin.own import OWN

ENTRIES = tuple(distribution("vram-estimator").entry_points.select(group="vram"))
COMMANDS = sorted(entry.name for entry in ENTRIES if entry.name.startswith("command_"))


def test_commands_are_plugins_but_those_that_answer_with_an_estimate_and_list_plugins() -> None:
    names = [name.removeprefix("command_") for name in COMMANDS]
    assert names == [
        "additions",
        "calibrate",
        "check",
        "compare",
        "detect",
        "generate",
        "max-concurrency",
        "max-context",
        "mcp",
        "models",
        "performance",
        "plan",
        "profiles",
        "quantizations",
        "reconcile",
        "share",
        "upgrade",
        "web",
    ]
    assert {own.name for own in OWN} == {"estimate", "plugins"}


def test_the_help_and_the_manager_know_the_same_commands() -> None:
    light = given_commands().by_name
    for name, command in Plugins(ENTRIES, disabled=()).commands.items():
        assert [given.command for given in light[name]] == [command]


@pytest.mark.parametrize("entry", COMMANDS)
def test_without_one_its_word_is_unknown_and_the_others_are_there(entry: str) -> None:
    gone = entry.removeprefix("command_")
    told = vram("--help", VRAM_DISABLED_PLUGINS=entry)
    assert told.returncode == 0, told.stderr
    words = {
        line.split()[0]
        for line in told.stdout.partition("\nAnswers:")[2].splitlines()
        if line[:2] == "  " and line[2:3].strip()
    }
    assert words == {*(own.name for own in OWN), *(name.removeprefix("command_") for name in COMMANDS)} - {gone}
    refused = vram(gone, "--help", VRAM_DISABLED_PLUGINS=entry)
    assert (refused.returncode, f"No such command '{gone}'" in refused.stderr) == (2, True)
    for other in {name.removeprefix("command_") for name in COMMANDS} - {gone}:
        assert vram(other, "--help", VRAM_DISABLED_PLUGINS=entry).returncode == 0
    answer = vram("estimate", "Qwen/Qwen3-8B", "--gpu", "H100", "--json", VRAM_DISABLED_PLUGINS=entry)
    assert json.loads(answer.stdout)["verdict"]["starts"] is True
    assert answer.stderr == ""


def test_what_reconcile_adds_to_the_library_goes_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    import vram as library

    assert library.reconcile.__module__ == "vram_plugins.reconcile.reconcile"
    assert library.Reconciliation.__name__ == "Reconciliation"
    assert {"reconcile", "Reconciliation", "estimate"} <= set(dir(library))
    monkeypatch.setenv("VRAM_DISABLED_PLUGINS", "command_reconcile")
    assert "reconcile" not in given_commands().library_names()
    with pytest.raises(AttributeError, match="no attribute 'reconcile'"):
        _ = library.reconcile
