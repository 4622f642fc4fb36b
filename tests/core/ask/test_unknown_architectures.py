"""Models no adapter knows: weights from the headers, attention assumed, and files that contradict their config."""

from __future__ import annotations

import json
import struct
import subprocess
import sys
from collections.abc import Callable
from math import prod
from pathlib import Path

import pytest

import vram

UNKNOWN = {"architectures": ["NobodyKnowsForCausalLM"], "num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 4,
           "num_key_value_heads": 2, "intermediate_size": 128, "vocab_size": 1000}  # fmt: skip


def write_shard(folder: Path, tensors: dict[str, tuple[int, ...]]) -> int:
    """A bf16 safetensors file with a true header and no more than zeros; gives its tensors' bytes."""
    header, offset = {}, 0
    for name, shape in tensors.items():
        size = 2 * prod(shape)
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + bytes(offset))
    return offset


@pytest.fixture
def unknown(model_folder: Callable[..., Path]) -> Path:
    return model_folder(**UNKNOWN)


def test_weights_are_what_the_headers_list_and_labelled_assumed(unknown: Path) -> None:
    shapes = {"model.embed_tokens.weight": (1000, 64), "lm_head.weight": (1000, 64), "model.norm.weight": (64,)}
    for layer in range(2):
        shapes |= {f"model.layers.{layer}.strange.weight": (640, 64), f"model.layers.{layer}.norm.weight": (64,)}
    stored = write_shard(unknown, shapes)
    answer = vram.estimate(unknown, gpu="H100")
    assert answer.memory.weights.provenance == "assumed"
    # the tensors, two vocabularies padded from 1000 rows to 1024, and a rotary table of 8192 positions × 16 in bf16
    assert answer.ranks[0].parameter_bytes == stored + 2 * 2 * 24 * 64 + 2 * 8192 * 16
    known = "No adapter knows NobodyKnowsForCausalLM: its weights are the tensors that its files list"
    assert any(known in warning for warning in answer.verdict.warnings)


def test_matrices_are_divided_over_gpus_and_vectors_are_not(unknown: Path) -> None:
    write_shard(unknown, {"model.layers.0.a.weight": (640, 64), "model.layers.1.norm.weight": (64,)})
    answer = vram.estimate(unknown, gpu="H100", tensor_parallel_size=2)
    assert answer.ranks[0].parameter_bytes == 2 * (640 * 64 // 2 + 64 + 8192 * 16)


def test_files_that_contradict_their_config_are_said_loudly(model_folder: Callable[..., Path]) -> None:
    folder = model_folder(num_hidden_layers=1, vocab_size=1000, hidden_size=64, num_attention_heads=4,
                          num_key_value_heads=2, intermediate_size=128)  # fmt: skip
    write_shard(folder, {"model.layers.0.mlp.up_proj.weight": (128, 64)})
    answer = vram.estimate(folder, gpu="H100")
    assert any("one of them is not what it seems" in warning for warning in answer.verdict.warnings)


@pytest.mark.parametrize("architectures", [..., [], ["NobodyKnowsForCausalLM"]])
def test_what_transformers_cannot_build_is_answered_without_torch(
    model_folder: Callable[..., Path], architectures: object
) -> None:
    folder = model_folder(**{**UNKNOWN, "model_type": "nobodys", "architectures": architectures})
    program = (
        "import sys, vram\n"
        "try:\n"
        f"    found = vram.estimate({str(folder)!r}, gpu='H100').memory.weights.provenance\n"
        "except vram.VramError as error:\n"
        "    found = str(error).partition('config.json: ')[2]\n"
        "assert found in ('assumed', \"field 'architectures' is missing.\"), found\n"
        "print(*(name for name in ('torch', 'transformers', 'accelerate') if name in sys.modules))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
