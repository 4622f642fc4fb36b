"""A plugin that ends its process, wherever it does, ends nothing but itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXIT = "raise SystemExit(0)\n"
PRINTING = """
print("what a plugin has to say")
from vram import hookimpl
from vram.models.later import Later

@hookimpl
def vram_kv_cache_dtypes():
    print("and again")
    yield Later(names=("spoken",), load="leaving_module:nothing")
"""
LATER = """
from vram import hookimpl
from vram.models.later import Later

@hookimpl
def vram_architecture_adapters():
    yield Later(names=("LeavingForCausalLM",), load="leaving_module:Adapter")
"""
IN_THE_HOOK = """
from vram import hookimpl

@hookimpl
def vram_kv_cache_dtypes():
    raise SystemExit(0)
"""


def installed(folder: Path, plugin: str) -> Path:
    (folder / "leaving.py").write_text(plugin)
    (folder / "leaving_module.py").write_text(EXIT)
    info = folder / "leaving-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: leaving\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vram]\nleaving = leaving\n")
    (folder / "config.json").write_text('{"architectures": ["LeavingForCausalLM"], "hidden_size": 64}')
    return folder


def vram(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv = ['vram', *{list(words)!r}]\n"
    program += "from vram.cli import main; main()"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "plugin", [EXIT, LATER, IN_THE_HOOK], ids=["at import", "in a module loaded later", "in a hook"]
)
def test_an_exit_is_blamed_on_the_plugin_and_the_rest_goes_on(plugin: str, tmp_path: Path) -> None:
    folder = installed(tmp_path, plugin)

    answered = vram(folder, "estimate", "Qwen/Qwen3-8B", "--gpu", "H100")
    assert answered.returncode == 0
    assert "starts and fits" in answered.stdout
    model = "Qwen/Qwen3-8B" if plugin is IN_THE_HOOK else str(folder)
    asked = vram(folder, "estimate", model, "--gpu", "H100", "--kv-cache-dtype", "leaving")
    assert asked.returncode == 2
    assert "plugin leaving (leaving 1.0) was skipped: " in asked.stderr
    assert "SystemExit: 0" in asked.stderr
    listed = vram(folder, "plugins")
    assert "SystemExit: 0" in " ".join(listed.stdout.split())
    checked = vram(folder, "plugins", "check", "leaving")
    assert checked.returncode == 1
    assert "SystemExit: 0" in checked.stdout


def test_what_a_plugin_prints_is_no_part_of_an_answer(tmp_path: Path) -> None:
    folder = installed(tmp_path, PRINTING)

    answered = vram(folder, "estimate", "Qwen/Qwen3-8B", "--gpu", "H100", "--json")

    assert json.loads(answered.stdout)["schema_version"] == 1
    assert "what a plugin has to say" in answered.stderr


def test_the_reason_of_a_skipped_plugin_takes_one_line(tmp_path: Path) -> None:
    folder = installed(tmp_path, "raise RuntimeError('a reason\\nof two lines')\n")

    asked = vram(folder, "estimate", "Qwen/Qwen3-8B", "--gpu", "H100")

    assert asked.stderr == "Warning: plugin leaving (leaving 1.0) was skipped: RuntimeError: a reason of two lines\n"


@pytest.mark.parametrize("ending", ["SystemExit", "GeneratorExit"])
def test_whatever_a_plugin_ends_with_is_its_own(ending: str, tmp_path: Path) -> None:
    folder = installed(tmp_path, f"raise {ending}\n")

    assert vram(folder, "estimate", "Qwen/Qwen3-8B", "--gpu", "H100").returncode == 0
