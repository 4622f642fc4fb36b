"""The built wheel and a third-party plugin, installed in an empty environment and used through the command."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "tests" / "third_party" / "vram-example-plugin"
pytestmark = pytest.mark.slow

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16", "hidden_size": 4096,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336,
    "vocab_size": 128256, "max_position_embeddings": 8192, "rope_theta": 500000.0,
}  # fmt: skip


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheels of the project and of the example plugin, and mypy."""
    wheels = tmp_path_factory.mktemp("wheels")
    for source in (ROOT, PLUGIN):
        _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", wheels, source)
    folder = tmp_path_factory.mktemp("empty") / "venv"
    _run(sys.executable, "-m", "venv", folder)
    _run(folder / "bin" / "pip", "install", "-q", *wheels.glob("*.whl"), "mypy")
    return folder / "bin"


def _run(*command: object, **environment: str) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_wheel_answers_offline_for_a_bundled_model(environment: Path) -> None:
    out = _run(environment / "vram", "estimate", "Qwen/Qwen3-8B", "--gpu", "H100", "--json", HF_HUB_OFFLINE="1")
    answer = json.loads(out)
    assert answer["verdict"]["starts"] is True
    assert answer["model"]["source"] in {"catalog", "cache"}


def test_the_wheel_carries_the_profiles(environment: Path) -> None:
    profiles = json.loads(_run(environment / "vram", "profiles", "--json"))
    names = {gpu["name"] for profile in profiles for gpu in profile["gpus"]}
    assert {"H100 80GB SXM", "RTX 4090", "Example 100"} <= names


def test_the_third_party_plugin_is_listed_with_its_distribution(environment: Path) -> None:
    plugins = json.loads(_run(environment / "vram", "plugins", "--json"))
    (mine,) = [plugin for plugin in plugins if plugin["name"] == "example"]
    assert (mine["distribution"], mine["version"], mine["error"]) == ("vram-example-plugin", "1.2.3", None)
    assert [plugin for plugin in plugins if plugin["error"]] == []


def test_the_third_party_command_is_shown_called_and_in_the_library(environment: Path) -> None:
    assert "How much of each GPU a model's weights take." in " ".join(_run(environment / "vram", "--help").split())
    asked = ("weights-share", "Qwen/Qwen3-8B", "--gpu", "H100")
    assert _run(environment / "vram", *asked, HF_HUB_OFFLINE="1") == "19%\n"  # 15.27 of 79.2 GiB
    program = "import vram; print(vram.weights_share('Qwen/Qwen3-8B', gpu='H100') < 0.2, vram.reconcile.__name__)"
    assert _run(environment / "python", "-c", program, HF_HUB_OFFLINE="1") == "True reconcile\n"


def test_the_wheel_carries_the_page(environment: Path) -> None:
    program = "from importlib.resources import files; print((files('vram_plugins.web') / 'static/app.js').is_file())"
    assert _run(environment / "python", "-c", program) == "True\n"


def test_without_the_extra_the_tools_for_assistants_are_one_sentence(environment: Path) -> None:
    done = subprocess.run([environment / "vram", "mcp"], capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("install it with: pip install 'vram-estimator[mcp]'.\n")


def test_the_wheel_answers_programs(environment: Path) -> None:
    program = (
        "from vram_plugins.programs.api import Api, Request\nfrom vram_plugins.programs.files import Files\n"
        "ask = lambda path, query='': Api(Files()).reply(Request(method='GET', path=f'/api/v1/{path}', query=query)).status\n"
        "print(int(ask('estimate', 'model=Qwen/Qwen3-8B&gpu=H100')), int(ask('openapi.json')))"
    )
    assert _run(environment / "python", "-c", program, HF_HUB_OFFLINE="1") == "200 200\n"


def test_the_third_party_format_and_gpu_are_used_by_the_command(environment: Path, tmp_path: Path) -> None:
    config = {**LLAMA, "quantization_config": {"quant_method": "three_bit"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    out = _run(environment / "vram", "estimate", tmp_path, "--gpu", "example100", "--json")
    answer = json.loads(out)
    # per layer: (4096 + 2·1024)·4096 + 4096² + 3·4096·14336 = 218,103,808 weights in 3 bits + 2 bytes per 64
    weights = 32 * 218_103_808
    linears = weights * 3 // 8 + weights // 64 * 2
    # plain: two embeddings of 128256·4096, 65 norms of 4096, one rotary table of 8192·128, in bf16; 16 bytes of KV scales
    plain = 2 * (2 * 128256 * 4096 + 65 * 4096 + 8192 * 128) + 32 * 16
    assert answer["ranks"][0]["parameter_bytes"] == linears + plain
    assert answer["deployment"]["gpu"] == "Example 100"
    assert answer["model"]["quantization"] == "three_bit"


def test_code_that_uses_the_library_passes_strict_mypy(environment: Path, tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    user.write_text(
        "import vram\n"
        "from vram.models.estimate import Estimate\n\n"
        "def tokens(model: str) -> int:\n"
        "    answer: Estimate = vram.estimate(model, gpu='H100', tensor_parallel_size=2)\n"
        "    return answer.kv_cache.tokens + vram.max_context(model, gpu='H100')\n\n"
        "def command(model: str) -> str:\n"
        "    found = vram.plan(model, gpu='H100', concurrency=4, max_model_len=8192).recommendation\n"
        "    smallest = vram.compare(model, gpus='H100').smallest\n"
        "    return found.command if found else smallest[0].gpu\n"
    )
    _run(environment / "python", "-m", "mypy", "--strict", user)
    for name in ("plugin", "announced", "weights_share"):
        _run(environment / "python", "-m", "mypy", "--strict", PLUGIN / "src" / "vram_example" / f"{name}.py")


def test_one_command_writes_a_package_that_installs_and_keeps_the_contracts(environment: Path, tmp_path: Path) -> None:
    package = tmp_path / "my-format"
    assert "8 files" in _run(environment / "vram", "plugins", "new", package)
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, package)
    _run(environment / "pip", "install", "-q", "--no-deps", *tmp_path.glob("*.whl"))
    checked = _run(environment / "vram", "plugins", "check", "my_format", "command_my_format")
    assert checked == "2 plugins checked, 0 broken.\n"
    assert _run(environment / "mypy", "--strict", "--config-file=", package / "src").startswith("Success")
    _run(environment / "pip", "uninstall", "-q", "-y", "my-format")
