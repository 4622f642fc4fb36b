"""What starting the command imports: help and version load no plugin, an answer what it uses of them, and nothing heavy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

HEAVY = (
    "torch", "transformers", "accelerate", "huggingface_hub", "numpy", "pandas", "yaml", "rich", "cattrs", "attr",
    "importlib.metadata", "pathlib", "difflib",
)  # fmt: skip
PACKAGES = {
    f"vram_plugins.{name}"
    for name in (
        "architectures",
        "artifacts",
        "ask_vllm",
        "gguf",
        "gpus",
        "graph",
        "kv_dtypes",
        "nvidia",
        "quantization",
        "readers",
        "rocm",
    )
}
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


#: what the built-in commands announce themselves with, and all that the help may load of plugins
ANNOUNCEMENTS = {
    entry.value for entry in distribution("vram-estimator").entry_points if entry.name.startswith("command_")
}


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_load_no_plugin_and_no_manager(flag: str) -> None:
    modules = loaded_modules(flag)
    assert not [m for m in modules if m.startswith(("vram.plugin.manager", "vram.estimate", "vram.commands."))]
    assert {m for m in modules if m.startswith("vram_plugins.")} <= ANNOUNCEMENTS
    heavy = modules.intersection(HEAVY)
    assert heavy <= ({"importlib.metadata", "pathlib"} if flag == "--version" else set()), heavy


def test_completion_names_every_command_and_loads_none() -> None:
    environment = {**os.environ, "_VRAM_COMPLETE": "bash_complete", "COMP_WORDS": "vram ", "COMP_CWORD": "1"}
    program = "import sys\nsys.argv = ['vram']\nfrom vram.cli import main, cli\n" + (
        "try:\n    cli.main(prog_name='vram')\nfinally:\n    print('loaded', *sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, env=environment)
    *offered, loaded = done.stdout.splitlines()
    assert {"plain,estimate", "plain,web", "plain,reconcile", "plain,calibrate"} <= set(offered), done.stderr
    modules = loaded.split()[1:]
    assert not [m for m in modules if m.startswith(("vram.plugin.manager", "vram.cli.estimate", "vram.commands."))]
    assert {m for m in modules if m.startswith("vram_plugins.")} <= ANNOUNCEMENTS


def test_the_help_of_a_command_loads_no_plugin() -> None:
    modules = loaded_modules("estimate", "--help")
    assert not [m for m in modules if m.startswith(("vram_plugins", "vram.plugin.manager"))]


def test_an_estimate_of_a_local_config_imports_nothing_heavy(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    modules = loaded_modules("estimate", str(tmp_path), "--gpu", "H100", "--json")
    assert not modules.intersection(HEAVY)


@pytest.mark.parametrize("shown", [[], ["--json"], ["--explain"], ["--check"]])
def test_an_answer_for_a_model_of_the_catalog_imports_its_own_adapter_alone(shown: list[str]) -> None:
    modules = loaded_modules("estimate", "Qwen/Qwen3-8B", "--gpu", "H100", *shown)
    assert not modules.intersection(HEAVY)
    used = {name for name in modules if name.startswith("vram_plugins.")} - PACKAGES
    assert used == {
        "vram_plugins.architectures.llama",
        "vram_plugins.gpus._root",
        "vram_plugins.kv_dtypes.fp8",  # whose packed tokens the next one has on some GPUs
        "vram_plugins.kv_dtypes.unquantized",
    }


def test_a_quantized_model_imports_its_scheme_and_those_that_may_take_it() -> None:
    modules = loaded_modules("estimate", "Qwen/Qwen3-8B-FP8", "--gpu", "H100")
    assert not modules.intersection(HEAVY)
    assert {name for name in modules if name.startswith("vram_plugins.quantization.")} == {
        "vram_plugins.quantization.deepseek_v4_fp8",
        "vram_plugins.quantization.fp8",
    }


def test_an_answer_without_a_catalogued_id_asks_for_no_more(tmp_path: Path) -> None:
    config = {
        **CONFIG,
        "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True},
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    modules = loaded_modules("estimate", str(tmp_path), "--gpu", "H100")
    assert not modules.intersection(HEAVY)
    assert {name for name in modules if name.startswith("vram_plugins.quantization.")} == {
        "vram_plugins.quantization.awq"
    }
