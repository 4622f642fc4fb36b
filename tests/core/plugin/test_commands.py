"""A third party's command: shown without being imported, called, claimed twice, broken."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from inspect import cleandoc
from pathlib import Path

import pytest

ANNOUNCED = """
from vram import hookimpl
from vram.models.command import Command

@hookimpl
def vram_commands():
    yield Command(name={name!r}, summary="What it does.", load="{module}_does:command", library={library!r})
"""
DOES = """
import click

@click.command()
def command():
    "Say so."
    click.echo("done by {module}")

def helper():
    return "{module}"
"""
Vram = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def install(tmp_path: Path) -> Callable[..., None]:
    """Installs a distribution of one module with one entry point, as pip leaves them."""

    def write(module: str, *, name: str, entry: str = "", announced: str = ANNOUNCED, does: str = DOES) -> None:
        library = {f"{module}_helper": f"{module}_does:helper"}
        (tmp_path / f"{module}.py").write_text(announced.format(name=name, module=module, library=library))
        (tmp_path / f"{module}_does.py").write_text(does.format(module=module))
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[vram]\n{entry or f'command_{module}'} = {module}\n")

    return write


@pytest.fixture
def vram(tmp_path: Path) -> Vram:
    """The command, in a process that sees what was installed."""

    def run(*arguments: str, program: str = "from vram.cli import main; main()", disabled: str = ""):
        environment = {**os.environ, "PYTHONPATH": str(tmp_path), "VRAM_DISABLED_PLUGINS": disabled, "COLUMNS": "200"}
        command = [sys.executable, "-c", program, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    return run


def test_it_is_shown_without_being_imported_and_called_by_its_word(install, vram: Vram) -> None:
    install("mine", name="do-it", does="raise SystemExit('imported')")
    told = vram("--help")
    assert (told.returncode, told.stderr) == (0, "")
    others = told.stdout.partition("\nOther commands:\n")[2]
    assert any(line.split() == ["do-it", "What", "it", "does."] for line in others.splitlines())


def test_it_runs_by_its_word_and_its_names_are_in_the_library(install, vram: Vram) -> None:
    install("mine", name="do-it")
    assert vram("do-it").stdout == "done by mine\n"
    assert vram(program="import vram; print(vram.mine_helper())").stdout == "mine\n"


def test_a_promised_name_is_anothers_where_its_command_is_off_and_claimed_by_both_where_not(
    install, vram: Vram
) -> None:
    install("mine", name="do-it", announced=ANNOUNCED.replace("{library!r}", '{{"plan": "{module}_does:helper"}}'))
    program = "import vram; print(vram.plan())"
    assert vram(program=program, disabled="command_plan").stdout == "mine\n"
    assert "the name vram.plan is claimed by both command_mine (mine 1.0) and" in vram(program=program).stderr


def test_a_disabled_one_is_unknown(install, vram: Vram) -> None:
    install("mine", name="do-it")
    assert "do-it" not in vram("--help", disabled="command_mine").stdout
    refused = vram("do-it", disabled="command_mine")
    assert (refused.returncode, "No such command 'do-it'" in refused.stderr) == (2, True)


def test_two_that_claim_one_word_are_named_and_nothing_else_suffers(install, vram: Vram) -> None:
    install("mine", name="do-it")
    install("yours", name="do-it")
    both = "command_mine (mine 1.0) and command_yours (yours 1.0)"
    assert f"(claimed by both {both})" in " ".join(vram("--help").stdout.split())
    refused = vram("do-it")
    assert (refused.returncode, f"command 'do-it' is claimed by both {both}" in refused.stderr) == (2, True)
    assert f"claimed by both {both}" in vram("plugins").stderr
    assert vram("models", "--help").returncode == 0


def test_one_that_claims_a_word_of_vram_is_named_with_vram_and_does_not_get_it(install, vram: Vram) -> None:
    install("mine", name="estimate")
    assert "Will it start" in vram("--help").stdout
    assert "done by mine" not in vram("estimate", "Qwen/Qwen3-8B", "--gpu", "H100").stdout
    listed = vram("plugins")
    told = " ".join(listed.stdout.split())
    assert (listed.returncode, "'estimate', which is a command of vram itself" in told) == (0, True)


@pytest.mark.parametrize(
    "broken", ["raise SystemExit('bye')", "import no_such_module", "vram_commands = None", "x = ("]
)
def test_a_broken_announcement_does_not_kill_the_help(broken: str, install, vram: Vram) -> None:
    install("mine", name="do-it", announced=broken)
    told = vram("--help")
    assert (told.returncode, "estimate" in told.stdout, told.stderr) == (0, True, "")
    refused = vram("do-it")
    assert refused.returncode == 2
    assert "Warning: plugin command_mine (mine 1.0) was skipped" in refused.stderr
    assert "No such command 'do-it'" in refused.stderr


@pytest.mark.parametrize("does", ["import no_such_module", "raise SystemExit('bye')", "command = 'a text'", ""])
def test_a_command_that_cannot_be_loaded_is_one_sentence_naming_its_plugin(does: str, install, vram: Vram) -> None:
    install("mine", name="do-it", does=does)
    refused = vram("do-it")
    assert refused.returncode == 2
    assert refused.stderr.startswith("Error: Plugin command_mine (mine 1.0), vram_commands: mine_does:command ")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("fault", ["1 / 0", "open('/no/such/file')", "raise RuntimeError('a bug')"])
def test_a_command_that_breaks_when_it_is_called_is_one_sentence_naming_its_plugin(
    fault: str, install, vram: Vram
) -> None:
    install("mine", name="do-it", does=DOES.replace("click.echo", f"{fault}; click.echo"))
    refused = vram("do-it")
    assert refused.returncode == 2
    assert refused.stderr.startswith("Error: Plugin command_mine (mine 1.0), vram_commands: do-it raises ")
    assert "Traceback" not in refused.stderr


def test_an_entry_point_with_another_name_is_told_how_to_call_it(install, vram: Vram) -> None:
    install("mine", name="do-it", entry="mine")
    assert "do-it" not in vram("--help").stdout
    listed = vram("plugins").stdout.replace("\n", " ")
    assert "call the entry point command_mine" in " ".join(listed.split())


def test_the_example_in_the_hooks_docstring_works(tmp_path: Path, vram: Vram) -> None:
    from vram.plugin import hookspecs

    lines = cleandoc(
        hookspecs.vram_commands.__doc__ or ""
    ).splitlines()  # Python 3.13 takes the indentation away itself
    text = "\n".join(line[4:] if line.startswith(" " * 4) else "" if not line.strip() else "#" for line in lines)
    announced, does = [block for block in text.split("#") if "import" in block]
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text(announced)
    (package / "weigh.py").write_text(does)
    info = tmp_path / "mine-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vram]\ncommand_weigh = my_package\n")
    assert "How much of a GPU the weights take." in vram("--help").stdout
    assert vram("weigh", "Qwen/Qwen3-8B", "--gpu", "H100").stdout == "19%\n"
    assert vram("plugins", "check", "command_weigh").stdout == "1 plugin checked, 0 broken.\n"
