"""What starting the command imports: help and version load no plugin, the main job neither torch nor the Hub client."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "transformers", "accelerate", "huggingface_hub", "numpy", "pandas", "yaml")
CONFIG = {
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "torch_dtype": "bfloat16", "hidden_size": 1024,
    "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128,
    "intermediate_size": 3072, "vocab_size": 151936, "max_position_embeddings": 40960, "rope_theta": 1e6,
    "tie_word_embeddings": True,
}  # fmt: skip


def loaded_modules(*arguments: str) -> set[str]:
    """Modules in sys.modules after running `vram` with arguments in a process of its own."""
    program = (
        "import sys, json\n"
        f"sys.argv = ['vram', *{list(arguments)!r}]\n"
        "from vram.cli import main\n"
        "try:\n    main()\nexcept SystemExit as leave:\n    assert not leave.code, leave.code\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_load_no_plugin_and_no_manager(flag: str) -> None:
    modules = loaded_modules(flag)
    assert not [m for m in modules if m.startswith(("vram_plugins", "vram.plugin.manager", "vram.estimate"))]
    assert not modules.intersection((*HEAVY, "rich", "cattrs"))


def test_the_help_of_a_command_loads_no_plugin() -> None:
    modules = loaded_modules("estimate", "--help")
    assert not [m for m in modules if m.startswith(("vram_plugins", "vram.plugin.manager"))]


def test_an_estimate_of_a_local_config_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    modules = loaded_modules("estimate", str(tmp_path), "--gpu", "H100", "--json")
    assert not modules.intersection((*HEAVY, "rich"))
