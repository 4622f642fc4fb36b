"""Weights quantized while loading are asked about as what they become (vLLM 0.33.0's kernels of ROCm)."""

import pytest

from vram import estimate

_NO_KERNEL = "vLLM has no kernel for fp8 weights with a scale per tensor or output on gfx90a"


@pytest.mark.parametrize(("gpu", "refused"), [("MI210", True), ("MI300X", False)])
def test_needs_a_kernel(gpu: str, refused: bool) -> None:
    answer = estimate("Qwen/Qwen3-0.6B", gpu=gpu, vllm_version="0.33.0", quantization="fp8_per_tensor")
    assert (_NO_KERNEL in {check.message for check in answer.verdict.checks if not check.passed}) is refused
