"""The transformers model on the meta device. Real models are built only where the [graph] extra is installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.core.checkpoint.building import write

from vram.checkpoint.open import open_checkpoint
from vram.errors import ArchitectureError, CheckpointError, ConfigError, RemoteCodeError, VramError
from vram.models.checkpoint import Inventory
from vram_plugins.graph.meta import meta_inventory

INSTALLED = all(importlib.util.find_spec(name) for name in ("torch", "transformers", "accelerate"))
needs_graph = pytest.mark.skipif(not INSTALLED, reason="needs the [graph] extra")

TINY: dict[str, object] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "vocab_size": 32,
    "dtype": "float16",
}

CODE = """
from pathlib import Path
Path(__file__).with_name("ran").touch()
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
class Config(PretrainedConfig):
    model_type = "acme_own"
class Model(PreTrainedModel):
    config_class = Config
    def __init__(self, config):
        super().__init__(config)
        self.linear = nn.Linear(4, 3, bias=False)
        self.post_init()
"""
REMOTE = {
    "architectures": ["Model"],
    "model_type": "acme_own",
    "auto_map": {"AutoConfig": "own.Config", "AutoModelForCausalLM": "own.Model"},
}


def built(folder: Path, **options: bool) -> Inventory:
    """The model of a folder's config.json."""
    return meta_inventory(str(folder), open_checkpoint(folder).config, **options)


def test_a_missing_extra_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "accelerate", None)
    write(tmp_path, {"config.json": TINY})

    with pytest.raises(VramError, match=r"needs accelerate.*pip install 'vram-estimator\[graph\]'"):
        built(tmp_path)


@needs_graph
def test_every_parameter_is_listed(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": {**TINY, "tie_word_embeddings": False}})

    inventory = built(tmp_path)

    # embedding and head 2·32·8; per layer q 8·8, k and v 2·8·4, o 8·8, mlp 3·8·16, norms 2·8; last norm 8
    assert inventory.elements == 2 * 32 * 8 + 2 * (64 + 64 + 64 + 384 + 16) + 8
    assert inventory.total_bytes == 2 * inventory.elements  # float16
    assert "model.layers.0.self_attn.q_proj.weight" in {tensor.name for tensor in inventory.tensors}


@needs_graph
def test_tied_weights_count_once(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": {**TINY, "tie_word_embeddings": True}})

    assert built(tmp_path).elements == 32 * 8 + 2 * (64 + 64 + 64 + 384 + 16) + 8


@needs_graph
def test_code_of_a_repository_does_not_run_unasked(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": REMOTE, "own.py": CODE.encode()})

    with pytest.raises(RemoteCodeError, match="--trust-remote-code"):
        built(tmp_path)

    assert not list(tmp_path.glob("**/ran"))


@needs_graph
def test_code_of_a_repository_runs_when_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    write(tmp_path / "model", {"config.json": REMOTE, "own.py": CODE.encode()})

    assert built(tmp_path / "model", trust_remote_code=True).elements == 12


@needs_graph
def test_code_is_not_needed_for_a_model_transformers_knows(tmp_path: Path) -> None:
    write(tmp_path, {"config.json": {**TINY, "auto_map": {"AutoModelForCausalLM": "own.Model"}}})

    assert built(tmp_path).elements > 0


@needs_graph
@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_type": "llama"},
        {**TINY, "model_type": "no_such_model", "architectures": ["NoSuchModel"]},
        {**TINY, "architectures": ["Path"]},
        {**TINY, "hidden_size": "wide"},
        {**TINY, "num_attention_heads": 0},
        {**TINY, "dtype": "float17"},
    ],
)
def test_a_config_that_cannot_be_built_is_one_sentence(tmp_path: Path, config: dict[str, object]) -> None:
    write(tmp_path, {"config.json": config})

    with pytest.raises((ArchitectureError, CheckpointError, ConfigError)):
        built(tmp_path)


def test_nothing_is_built_for_a_config_that_is_refused_whatever_its_tensors_are(tmp_path: Path) -> None:
    """Took ten seconds and 260 MiB: `num_heads` is none of a plain decoder's fields, which no tensor changes."""
    config = {
        "architectures": ["GPTNeoForCausalLM"],
        "model_type": "gpt_neo",
        "hidden_size": 64,
        "num_layers": 2,
        "num_heads": 2,
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    program = f"""
import sys, vram
try:
    vram.estimate({str(tmp_path)!r}, gpu="H100")
except vram.VramError as error:
    print("num_heads" in str(error), "torch" in sys.modules, "transformers" in sys.modules)
"""
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert told.stdout.split() == ["True", "False", "False"]
