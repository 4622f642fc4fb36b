"""Weights kept on the host, by hand from Qwen3-8B's sizes: 36 layers, hidden size 4096, width 12288, 32 and 8 heads of 128, bfloat16."""

from __future__ import annotations

from typing import Any

import pytest

from vram.ask.asking import ask
from vram.checkpoint.catalog import find
from vram.estimate.parts import compute
from vram.units import GIB

QKV, OUT = (4096 + 2 * 1024) * 4096 * 2, 4096 * 4096 * 2
LAYER = QKV + OUT + 3 * 12288 * 4096 * 2 + 2 * 4096 * 2 + 2 * 128 * 2


def gone(**args: Any) -> list[int]:
    """Bytes by which each rank's weights are fewer."""
    checkpoint = find("Qwen/Qwen3-8B")
    assert checkpoint is not None
    plain = {name: value for name, value in args.items() if name in ("vllm_version", "pipeline_parallel_size")}
    whole, less = (compute(ask(checkpoint, gpu="H100", **given)).weights for given in (plain, args))
    return [a.weights_bytes - b.weights_bytes for a, b in zip(whole, less, strict=True)]


def test_parameters_go_one_after_the_other_and_the_last_one_whole() -> None:
    # `uva.py:_maybe_offload_to_cpu`: eleven layers are less than 4 GiB, and the next parameter is the twelfth's qkv_proj
    assert 11 * LAYER < 4 * GIB < 11 * LAYER + QKV
    assert gone(cpu_offload_gb=4) == [11 * LAYER + QKV]
    assert gone(cpu_offload_gb=4, vllm_version="0.16.0") == [11 * LAYER + QKV]


def test_only_layers_leave_the_gpu() -> None:
    assert gone(cpu_offload_gb=100) == [36 * LAYER]
    assert gone(cpu_offload_gb=100, pipeline_parallel_size=2) == [18 * LAYER] * 2


@pytest.mark.parametrize(
    ("args", "layers"),
    [
        ({"offload_group_size": 4}, 9 - 1),  # `prefetch.py`: the last of each group, less the one that is fetched ahead
        ({"offload_group_size": 4, "offload_num_in_group": 2}, 18 - 1),
        ({"offload_group_size": 4, "offload_num_in_group": 2, "offload_prefetch_step": 2}, 18 - 2),
        ({"offload_group_size": 36, "offload_prefetch_step": 3}, 1 - 3),  # more buffers than layers that go
        ({"offload_group_size": 4, "cpu_offload_gb": 4}, 9 - 1),  # by groups where both are given
        ({"offload_group_size": 4, "offload_backend": "uva"}, 0),
        ({"offload_group_size": 4, "vllm_version": "0.27.1"}, 0),  # Model Runner V2 sets no offloader before 0.28
    ],
)
def test_layers_go_by_groups(args: dict[str, Any], layers: int) -> None:
    assert gone(**args) == [layers * LAYER]
