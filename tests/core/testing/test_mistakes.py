"""Deliberate mistakes in plugins (`mistakes.py`): the check finds each, and no run answers with one.

Each is written as an installed distribution, so that the sentence must name the plugin, its version and the hook.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from tests.core.testing.mistakes import (
    COMMANDS,
    ENGINES,
    MISTAKES,
    RIGHT,
    SELF_TESTS,
    TESTS,
)

import vram
from vram.checkpoint.open import open_checkpoint
from vram.cli import cli
from vram.deploy import artifact_request, render_files
from vram.errors import PluginError, VramError
from vram.gpus import detect_gpus
from vram.models.record import evolve
from vram.models.saved_request import SavedRequest
from vram.plugin import commands, manager
from vram.serving import servers_of
from vram.testing import problems_of
from vram.testing.artifacts import HOSTILE

PRELUDE = (Path(__file__).parent / "prelude.py").read_text()
DENSE = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 2048, "intermediate_size": 5632, "num_hidden_layers": 4,
    "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 4096,
    "torch_dtype": "bfloat16",
}  # fmt: skip
SPARSE = {
    **DENSE, "architectures": ["Qwen3MoeForCausalLM"], "num_experts": 8, "num_experts_per_tok": 2,
    "moe_intermediate_size": 768, "head_dim": 128,
}  # fmt: skip
#: no hook was reached
AT_IMPORT = ("raises when imported", "exits when imported", "prints when imported", "imports what is not there")
Install = Callable[[str, str, str], str]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Installs a plugin of one hook, as pip leaves it; gives its module's name."""

    def write(hook: str, lines: str, gives: str) -> str:
        name = "command_mine" if hook == COMMANDS else "mine"
        text = f"{PRELUDE}\n{lines}\n\n@hookimpl\ndef vram_{hook}():\n    return {gives}\n"
        (tmp_path / "vram_mistake.py").write_text(text)
        info = tmp_path / "vram_mistake-1.2.3.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vram-mistake\nVersion: 1.2.3\n")
        (info / "entry_points.txt").write_text(f"[vram]\n{name} = vram_mistake\n")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, "vram_mistake", raising=False)
        monkeypatch.setattr(manager, "_current", None)
        commands._installed.cache_clear()
        return "vram_mistake"

    yield write
    commands._installed.cache_clear()
    sys.modules.pop("vram_mistake", None)


def config(folder: Path, fields: dict[str, object]) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(fields))
    return str(folder)


def run(hook: str, folder: Path) -> object:
    """What somebody does for whom that hook's record is the answer."""
    match hook:
        case "quantization_schemes":
            block = {"quantization_config": {"quant_method": "m"}}
            vram.estimate(config(folder / "dense", {**DENSE, **block}), gpu="H100")
            return vram.estimate(config(folder / "sparse", {**SPARSE, **block}), gpu="H100")
        case "kv_cache_dtypes":
            return vram.estimate(config(folder / "dense", DENSE), gpu="H100", kv_cache_dtype="m")
        case "overhead_profiles":
            return vram.estimate(config(folder / "dense", DENSE), gpu="M1")
        case "architecture_adapters":
            return vram.estimate(config(folder / "own", {**DENSE, "architectures": ["MForCausalLM"]}), gpu="H100")
        case "artifacts":
            answer = vram.estimate(config(folder / "dense", DENSE), gpu="H100")
            asked = SavedRequest(model="x/y", gpu="H100")
            plain = render_files(manager.plugins(), ("m",), artifact_request(answer, asked))
            assert plain
            return render_files(manager.plugins(), ("m",), artifact_request(answer, evolve(asked, model=HOSTILE)))
        case "platforms":
            return manager.plugins().platforms["m"]
        case "engines":
            return manager.plugins().engines["m"].cross_check({}, as_json=True)
        case "checkpoint_formats":
            (folder / "model.m").write_text(json.dumps(DENSE))
            return open_checkpoint(str(folder / "model.m"))
        case "deployment_readers":
            (folder / "a.chart").write_text("x")
            return servers_of(folder / "a.chart")
        case "gpu_detectors":
            return detect_gpus()
        case "inventory_sources":
            found = vram.estimate(config(folder / "odd", {**DENSE, "architectures": ["OddForCausalLM"]}), gpu="H100")
            return found
        case "platforms":
            return dict(manager.plugins().platforms)
        case "commands":
            return cli.main(["do-it"], standalone_mode=False)
    raise AssertionError(hook)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_check_finds_it(mistake: str, install: Install) -> None:
    hook, lines, gives, told = MISTAKES[mistake]
    found = problems_of(install(hook, lines, gives))
    assert any(told in problem for problem in found), found


@pytest.mark.parametrize("mistake", MISTAKES)
def test_no_run_answers_with_it(
    mistake: str, install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hook, lines, gives, told = MISTAKES[mistake]
    install(hook, lines, gives)
    refused = ""
    try:
        run(hook, tmp_path)
    except (VramError, KeyError, click.ClickException) as error:  # the last: a command that was skipped
        refused = str(error)
    registry = manager.plugins()
    registry.load_all() if hook in (COMMANDS, ENGINES) else None
    skipped = [f"{info.source}: {info.error}" for info in registry.failures]
    sentence = next((one for one in (refused, *skipped) if "vram-mistake 1.2.3" in one), "")
    assert told in sentence, (refused, skipped)
    assert f"vram_{hook}" in sentence or mistake in AT_IMPORT, sentence
    assert "hello" not in capsys.readouterr().out


@pytest.mark.parametrize("mistake", SELF_TESTS)
def test_the_check_runs_what_a_plugin_carries(mistake: str, install: Install) -> None:
    hook, lines, gives, told = SELF_TESTS[mistake]
    found = problems_of(install(hook, lines, gives))
    assert any(told in problem for problem in found), found


@pytest.mark.parametrize("hook", RIGHT)
def test_without_a_mistake_there_is_none(hook: str, install: Install, tmp_path: Path) -> None:
    assert problems_of(install(hook, "", RIGHT[hook])) == ()
    if hook != TESTS:
        run(hook, tmp_path)
    assert manager.plugins().failures == ()


CLASHES = {
    "a KV cache dtype": ("kv_cache_dtypes", "[dtype(name='fp8')]", "KVCacheDtype 'fp8'"),
    "a GPU": ("overhead_profiles", "[gpu(name='RTX 4090')]", "GPU 'RTX 4090'"),
    "a GPU's alias": ("overhead_profiles", "[gpu(aliases=('rtx-4090',))]", "GPU 'M1'"),
    "an architecture": ("architecture_adapters", "[type('X', (Family,), {'architectures': ('OPTForCausalLM',)})()]", "'OPT"),
    "a scheme": ("quantization_schemes", "[type('X', (Scheme,), {'methods': ('fp8',)})()]", "'fp8'"),
    "an artifact": ("artifacts", "[type('X', (Json,), {'name': 'compose'})()]", "'compose'"),
    "a suffix": ("checkpoint_formats", "[type('X', (OneFile,), {'suffixes': ('.gguf',)})()]", "'.gguf'"),
    "a command": ("commands", "[command(name='plan')]", "'plan'"),
}  # fmt: skip


@pytest.mark.parametrize("clash", CLASHES)
def test_a_name_of_somebody_elses_names_both_everywhere(
    clash: str, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    hook, gives, name = CLASHES[clash]
    install(hook, "", gives)
    assert cli.main(["plugins"], standalone_mode=False) is None
    listed = capsys.readouterr().err
    assert cli.main(["plugins", "check", "command_mine" if hook == COMMANDS else "mine"], standalone_mode=False) == 1
    for told in (listed, capsys.readouterr().out):
        assert "(vram-estimator " in told
        assert "mine (vram-mistake 1.2.3)" in told
        assert name in told


def test_a_gpu_of_two_plugins_is_no_answer(install: Install) -> None:
    install("overhead_profiles", "", "[gpu(name='RTX 4090')]")
    with pytest.raises(
        PluginError, match=r"GPU 'rtx 4090' is claimed by both gpus \(vram-estimator .*and mine \(vram-mis"
    ):
        vram.estimate("Qwen/Qwen3-8B", gpu="rtx 4090")


def test_there_is_a_mistake_for_every_hook_and_more_than_a_stranger_made() -> None:
    assert {mistake[0] for mistake in MISTAKES.values()} == set(RIGHT) - {TESTS}
    assert len(MISTAKES) + len(SELF_TESTS) >= 79


def test_every_hook_is_here() -> None:
    assert {f"vram_{hook}" for hook in RIGHT} == set(manager.HOOKS)
