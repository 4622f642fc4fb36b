"""What older versions register. Sources: vLLM 0.13.0 and 0.14.0 `attention/layer.py`, 0.11.2 and 0.12.0 `qwen2_vl.py`."""

from __future__ import annotations

import vram
from vram.models.estimate import Rank


def rank(model: str, version: str) -> Rank:
    return vram.estimate(model, gpu="H100 80GB", vllm_version=version).ranks[0]


def test_scales_of_attention_become_buffers_in_0_14_and_were_memory_before() -> None:
    before, after = (rank("Qwen/Qwen3-0.6B", version) for version in ("0.13.0", "0.14.0"))
    assert after.parameter_bytes - before.parameter_bytes == 28 * 4 * 4  # four fp32 scalars in each of 28 layers
    assert after.weights_bytes == before.weights_bytes


def test_a_tower_has_frequencies_before_0_12_and_a_table_since() -> None:
    before, after = (rank("Qwen/Qwen2-VL-2B-Instruct", version) for version in ("0.11.2", "0.12.0"))
    table, frequencies = 8192 * 40 * 2, 20 * 4  # heads of 80: half of one rotates, an angle for two of its columns
    assert after.parameter_bytes - before.parameter_bytes == table - frequencies
