"""A model is opened once, and again when its files change."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vram
from vram.ask.asking import as_checkpoint

AWQ = {"quantization": {"quant_algo": "FP8"}, "producer": {"name": "modelopt"}}


def later(path: Path, text: str) -> None:
    """Write, with a time of change that no clock is too coarse for."""
    path.write_text(text)
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 10**9))


def test_the_same_files_are_read_once(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    assert as_checkpoint(folder) is as_checkpoint(str(folder))


def test_a_config_that_changed_is_read_again(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    before = as_checkpoint(folder)
    later(folder / "config.json", json.dumps({**before.config.raw, "num_hidden_layers": 2}))
    assert as_checkpoint(folder).config.integer("num_hidden_layers") == 2


def test_a_quantization_block_in_a_file_of_its_own_is_read_again(model_folder: Callable[..., Path]) -> None:
    folder = model_folder()
    assert vram.estimate(folder, gpu="H100").model.quantization is None
    later(folder / "hf_quant_config.json", json.dumps(AWQ))
    assert vram.estimate(folder, gpu="H100").model.quantization is not None


def test_a_home_folder_is_read_again_too(model_folder: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = model_folder()
    monkeypatch.setenv("HOME", str(folder.parent))
    before = as_checkpoint(f"~/{folder.name}")
    later(folder / "config.json", json.dumps({**before.config.raw, "num_hidden_layers": 2}))
    assert as_checkpoint(f"~/{folder.name}").config.integer("num_hidden_layers") == 2


def test_a_draft_that_changed_is_read_again(model_folder: Callable[..., Path], tmp_path: Path) -> None:
    target = model_folder()
    draft = tmp_path / "draft"
    draft.mkdir()
    config: dict[str, Any] = dict(as_checkpoint(target).config.raw)
    asked: dict[str, Any] = {
        "gpu": "H100", "speculative_config": {"method": "draft_model", "model": str(draft), "num_speculative_tokens": 3},
    }  # fmt: skip
    (draft / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 2}))
    small = vram.estimate(target, **asked).memory.weights.expected
    later(draft / "config.json", json.dumps({**config, "num_hidden_layers": 4}))
    assert vram.estimate(target, **asked).memory.weights.expected > small


def test_a_preset_of_a_machine_is_all_of_its_gpus() -> None:
    studio = vram.estimate("Qwen/Qwen3-8B", profile="dual_gpu_studio").deployment
    alone = vram.estimate("Qwen/Qwen3-8B", profile="dual_gpu_studio", gpus=1).deployment
    plan = vram.plan("Qwen/Qwen3-8B", profile="dual_gpu_studio")

    assert (studio.gpu, studio.tensor_parallel_size) == ("RTX 4090", 2)
    assert alone.tensor_parallel_size == 1
    assert plan.most_gpus == 2


def test_a_name_of_several_cards_is_warned_about_where_another_would_answer_otherwise() -> None:
    # 4 GiB of weights and 2 of cache: 8 GB are not enough, 16 are
    small = vram.estimate("Qwen/Qwen3-1.7B", gpu="RTX 5060 Ti", max_model_len=32768)
    large = vram.estimate("Qwen/Qwen3-1.7B", gpu="RTX 5060 Ti 16GB", max_model_len=32768)
    either = vram.estimate("Qwen/Qwen3-0.6B", gpu="RTX 5060 Ti", max_model_len=1024)

    assert (small.verdict.fits, large.verdict.fits) == (False, True)
    told = "RTX 5060 Ti is taken as RTX 5060 Ti (7.50 GiB); on RTX 5060 Ti 16GB (15.47 GiB) it would fit."
    assert told in small.verdict.warnings
    assert not [warning for one in (large, either) for warning in one.verdict.warnings if "is taken as" in warning]
