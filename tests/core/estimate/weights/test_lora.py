"""LoRA slots, counted matrix by matrix."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import vram


def weights(folder: Path, **arguments: object) -> int:
    estimate = vram.estimate(folder, gpu="H100", **arguments)
    return estimate.memory.weights.expected


def test_every_linear_of_the_language_model_gets_a_and_b_of_the_rank(model_folder: Callable[..., Path]) -> None:
    folder = model_folder(num_hidden_layers=2)
    # A: rank × inputs for each fused part; B: outputs × rank. qkv 3·4096 + 4096 + 2·1024, o 2·4096,
    # gate_up 2·(4096 + 14336), down 14336 + 4096; embedding and LM head 2·(128256 + 4096)
    layer = (3 * 4096 + 4096 + 2048) + 2 * 4096 + 2 * (4096 + 14336) + (14336 + 4096)
    slot = 16 * (2 * layer + 2 * (128256 + 4096)) * 2
    assert weights(folder, enable_lora=True, max_loras=4) - weights(folder) == 4 * slot


def test_without_lora_nothing_is_added(model_folder: Callable[..., Path]) -> None:
    folder = model_folder(num_hidden_layers=2)
    assert weights(folder, max_loras=8) == weights(folder)
