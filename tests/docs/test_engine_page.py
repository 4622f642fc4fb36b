"""The engine of the page "Add an engine that is asked" answers in place of the built-in one, and clashes with it where both are there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.test_pages import ROOT, programs

PAGE = ROOT / "docs" / "how-to" / "add-an-engine.md"
CONFIG = """{"architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
"num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128256, "max_position_embeddings": 8192, "torch_dtype": "bfloat16"}"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder with the page's module as an installed distribution, and a model."""
    (text,) = (text for _, kind, text in programs(PAGE) if kind == "python")
    (tmp_path / "house.py").write_text(text.replace("check_plugin(sys.modules[__name__])", ""))
    told = tmp_path / "house-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: house\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[vram]\nhouse = house\n")
    (tmp_path / "config.json").write_text(CONFIG)
    return tmp_path


def asked(folder: Path, *words: str, disabled: str) -> subprocess.CompletedProcess[str]:
    """`vram estimate --ask-vllm` beside the distribution."""
    command = [sys.executable, "-m", "vram", "estimate", str(folder), "--gpu", "H100", "--ask-vllm", *words]
    surroundings = {**os.environ, "PYTHONPATH": str(folder), "VRAM_DISABLED_PLUGINS": disabled}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=surroundings)


def test_it_is_asked_where_the_built_in_one_is_turned_off(installed: Path) -> None:
    done = asked(installed, disabled="ask_vllm")
    assert done.returncode == 0, done.stderr
    assert "Parameters and KV cache are House 1.0's own, asked of this machine." in done.stdout


def test_it_says_where_both_differ(installed: Path) -> None:
    done = asked(installed, "--cross-check", disabled="ask_vllm")
    assert done.returncode == 1
    assert "parameter bytes: vram " in done.stdout


def test_two_of_that_name_are_an_error_that_names_both(installed: Path) -> None:
    done = asked(installed, disabled="")
    assert done.returncode == 2
    assert "'vllm' is claimed by both ask_vllm" in done.stderr
