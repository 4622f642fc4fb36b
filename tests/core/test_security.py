"""The promises of docs/SECURITY.md: nothing of a model runs, nothing leaves the folder, secrets stay secret."""

from __future__ import annotations

import ast
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

import vram
from vram.errors import VramError
from vram.serving import parse_file

SOURCES = [
    path for root in ("core/vram", "plugins/vram_plugins") for path in (Path(__file__).parents[2] / root).rglob("*.py")
]
SECRET = "hf_this_is_a_secret_0123456789"
CONFIG = {
    "architectures": ["LlamaForCausalLM"], "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "intermediate_size": 128, "vocab_size": 512, "max_position_embeddings": 256, "torch_dtype": "bfloat16",
}  # fmt: skip


class Opened:
    """Tells by a file that it was unpickled."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.witness), "w"))


def called_names(sources: Iterable[Path] = SOURCES) -> set[str]:
    """Dotted names of everything the sources call."""
    return {
        ast.unparse(node.func)
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }


def imported_names() -> set[str]:
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                found.add(node.module or "")
    return found


def test_sources_call_nothing_that_runs_text_or_opens_pickles() -> None:
    assert len(SOURCES) > 100
    banned = {
        "eval",
        "exec",
        "compile",
        "os.system",
        "os.popen",
        "pickle.load",
        "pickle.loads",
        "torch.load",
        "yaml.unsafe_load",
        "yaml.full_load",
    }
    # records write their methods as attrs does, out of the names in our own class bodies, and annotations there are read
    reads_class_bodies = {"models/record.py": {"exec"}, "plugin/annotations.py": {"eval"}}
    for ending, calls in reads_class_bodies.items():
        (path,) = (path for path in SOURCES if path.as_posix().endswith(f"core/vram/{ending}"))
        assert called_names([path]) & banned == calls
    others = (path for path in SOURCES if not path.as_posix().endswith(tuple(reads_class_bodies)))
    assert not called_names(others) & banned
    assert not imported_names() & {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal"}


def test_pickled_weights_are_sized_and_not_opened(tmp_path: Path) -> None:
    witness, folder = tmp_path / "opened", tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Opened(witness)) + bytes(4096))
    (folder / "training_args.bin").write_bytes(pickle.dumps(Opened(witness)))
    vram.estimate(folder, gpu="H100")
    assert not witness.exists()


def test_code_beside_a_config_is_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "ran"
    auto_map = {"AutoConfig": "configuration_evil.Evil", "AutoModelForCausalLM": "modeling_evil.Evil"}
    (tmp_path / "config.json").write_text(json.dumps({**CONFIG, "model_type": "evil", "auto_map": auto_map}))
    for name in ("configuration_evil.py", "modeling_evil.py", "sitecustomize.py", "vram.py", "conftest.py"):
        (tmp_path / name).write_text(f"open({str(witness)!r}, 'w')\n")
    script = Path(sys.executable).with_name("vram")
    subprocess.run(
        [str(script), "estimate", ".", "--gpu", "H100", "--json"], cwd=tmp_path, capture_output=True, check=True
    )
    assert not witness.exists()


@pytest.mark.parametrize("text", [
    '!!python/object/apply:os.system ["true"]\n',
    '!!python/object/new:subprocess.Popen [["true"]]\n',
    "!!python/name:os.system\n",
])  # fmt: skip
def test_yaml_makes_no_objects(tmp_path: Path, text: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(VramError):
        parse_file(tmp_path / "x.yaml")


@pytest.mark.parametrize("name", ["../outside.safetensors", "/etc/passwd", "a/../../outside.safetensors"])
def test_an_index_names_nothing_outside_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.safetensors").write_bytes(b"x" * 100)
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"a": name}}))
    with pytest.raises(VramError, match=r"outside|inside|folder"):
        vram.estimate(folder, gpu="H100")


@pytest.mark.parametrize(
    "words",
    [
        ["estimate", "nobody/no-such-model", "--gpu", "H100"],
        ["estimate", "Qwen/Qwen3-8B", "--gpu", "H100", "--json", "--explain"],
        ["generate", "Qwen/Qwen3-8B", "--gpu", "H100"],
        [
            "estimate",
            "--gpu",
            "H100",
            "--",
            "vllm",
            "serve",
            "Qwen/Qwen3-8B",
            "--api-key",
            SECRET,
            "--hf-token",
            SECRET,
        ],
    ],
)
def test_tokens_are_printed_nowhere(words: list[str], tmp_path: Path) -> None:
    environment = {**os.environ, "HF_TOKEN": SECRET, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    program = f"import sys; sys.argv = ['vram', *{words!r}]; from vram.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert "Traceback" not in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
