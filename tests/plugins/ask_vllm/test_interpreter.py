"""Which Python is asked, and what is said where there is none that could be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vram_plugins.ask_vllm.errors import AskError
from vram_plugins.ask_vllm.interpreter import find_interpreter


def refusal(where: str | None) -> str:
    with pytest.raises(AskError) as caught:
        find_interpreter(where)
    return str(caught.value)


def test_a_path_names_the_interpreter(fake_python: Callable[..., str]) -> None:
    python = fake_python(version="0.20.2")
    found = find_interpreter(python)
    assert (found.path, found.version) == (python, "0.20.2")


def test_a_virtual_environment_names_its_python(fake_python: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(fake_python())
    assert find_interpreter(str(tmp_path / "venv")).path == str(tmp_path / "venv" / "bin" / "python")


def test_without_a_name_it_is_the_python_beside_the_command(
    fake_python: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    python = Path(fake_python())
    command = python.with_name("vllm")
    command.write_text("#!/bin/sh\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(python.parent))
    assert find_interpreter(None).path == str(python)


def test_else_the_one_the_command_itself_names(
    fake_python: Callable[..., str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = fake_python()
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "vllm"
    command.write_text(f"#!{python}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert find_interpreter(None).path == python


def test_an_interpreter_without_vllm_is_told(fake_python: Callable[..., str]) -> None:
    assert "has no vLLM. Name the interpreter" in refusal(fake_python(origin=None))


def test_a_model_typed_after_the_flag_is_no_interpreter() -> None:
    said = refusal("Qwen/Qwen3-8B")
    assert "Qwen/Qwen3-8B is no Python interpreter" in said
    assert "Write MODEL before --ask-vllm" in said


@pytest.mark.parametrize("version", ["0.7.3", "0.5.4", "0.8.4"])
def test_a_vllm_before_the_oldest_is_too_old(version: str, fake_python: Callable[..., str]) -> None:
    said = refusal(fake_python(version=version))
    assert f"has vLLM {version}, and 0.8.5 is the oldest" in said


def test_a_program_that_is_no_python_is_told(tmp_path: Path) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho this is a shell >&2\n")
    other.chmod(0o755)
    assert "is no working Python: this is a shell" in refusal(str(other))


def test_a_changed_source_file_changes_the_stamp(fake_python: Callable[..., str], tmp_path: Path) -> None:
    package = tmp_path / "vllm"
    package.mkdir()
    (package / "__init__.py").write_text("")
    python = fake_python(origin=str(package / "__init__.py"))
    before = find_interpreter(python).stamp
    (package / "fork.py").write_text("")
    assert find_interpreter(python).stamp != before
