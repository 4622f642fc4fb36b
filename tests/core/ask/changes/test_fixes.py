"""Changes of one flag that let vLLM start."""

from __future__ import annotations

import vram
from vram.checkpoint.catalog import find


def test_graphs_without_room_are_given_some_of_the_pools() -> None:
    # 0.19 reserves nothing for graphs: at 0.99 of a 4090 they do not fit beside the pool
    checkpoint = find("Qwen/Qwen3-8B")
    assert checkpoint is not None
    asked = {"gpu": "RTX 4090", "vllm_version": "0.19.0", "max_model_len": 8192}
    failed = [c for c in vram.estimate(checkpoint, gpu_memory_utilization=0.99, **asked).verdict.checks if not c.passed]
    assert [check.name for check in failed] == ["graph_capture"]

    flag, share = (failed[0].fix or "").split()
    assert flag == "--gpu-memory-utilization"
    assert vram.estimate(checkpoint, gpu_memory_utilization=float(share), **asked).verdict.starts
