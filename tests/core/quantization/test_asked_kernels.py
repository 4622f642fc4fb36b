"""`--moe-backend` against vLLM 0.33.0's own selection under eight pretended GPUs (asked), and its names in older releases (read)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from vram.errors import InputError
from vram.models.parameters import Experts
from vram.models.record import evolve
from vram.quantization.asked_kernels import asked_kernel
from vram.quantization.expert_kernels import ExpertWeights, expert_kernel
from vram.quantization.target import Target

ANSWERS = json.loads((Path(__file__).parents[2] / "data/vllm_moe_backends_0.33.0.json").read_text())
CAPABILITIES = ((7, 5), (8, 0), (8, 9), (9, 0), (10, 0), (10, 3), (11, 0), (12, 0))
CASES = [
    pytest.param(weights, backend, capability, said, id=f"{weights} {backend} {capability[0]}.{capability[1]}")
    for weights, backends in ANSWERS.items()
    for backend, kernels in backends.items()
    for capability, said in zip(CAPABILITIES, kernels, strict=True)
]
LAYER = evolve(
    Experts(name="x", num_experts=64, hidden_size=2048, intermediate_size=1024, top_k=4).local(1, 1, "bfloat16"),
    routing="renormalize",
)
#: this program's kernels for vLLM's; those it does not tell apart keep the bytes of several
KERNELS: dict[str, tuple[str, ...]] = {
    "TRITON": ("triton", "triton_swizzled"),
    "TRITON_UNFUSED": ("triton_swizzled",),
    "FLASHINFER_CUTLASS": ("flashinfer_cutlass", "triton"),
    "VLLM_CUTLASS": ("cutlass", "triton"),
    "DEEPGEMM": ("deep_gemm", "triton"),
    "DEEPGEMM_MXFP4": ("deep_gemm",),
    "MARLIN": ("marlin",),
    "HUMMING": ("humming",),
    "FLASHINFER_TRTLLM": ("trtllm",),
    "FLASHINFER_TRTLLM_MXFP4_BF16": ("trtllm",),
    "FLASHINFER_TRTLLM_MXFP4_MXFP8": ("trtllm",),
    "FLASHINFER_CUTLASS_MXFP4_BF16": ("flashinfer_cutlass",),
    "FLASHINFER_CUTLASS_MXFP4_MXFP8": ("flashinfer_cutlass",),
}
#: kernels of packages that the pretended machine lacks and vLLM's images bring, and expert parallelism that it does not have
NOT_TOLD = {
    "flashinfer_cutedsl", "flashinfer_b12x", "b12x", "hpc", "flashinfer_moe_ep_cutedsl", "flashinfer_moe_ep_mega_deep_gemm",
}  # fmt: skip
#: what takes other paths: DeepSeek-V4's own, compressed-tensors' CUTLASS for tensors, FlashInfer's int4, which is not installed there
ELSEWHERE = {("mxfp4", "deep_gemm_mega_moe"), ("fp8_static", "cutlass"), ("int", "flashinfer_trtllm")}


def answer(weights: str, backend: str, capability: tuple[int, int], version: Any = (0, 33, 0)) -> str:
    layer = evolve(LAYER, activation="swigluoai") if weights == "gpt_oss_mxfp4" else LAYER
    target = Target(capability=capability, version=version, moe_backend=backend)
    try:
        return expert_kernel(cast("ExpertWeights", weights), layer, target)
    except InputError:
        return ""


@pytest.mark.parametrize(("weights", "backend", "capability", "said"), CASES)
def test_a_kernel_is_taken_or_refused_as_vllm_does(
    weights: str, backend: str, capability: tuple[int, int], said: str
) -> None:
    if said == "" and (backend in NOT_TOLD or (weights, backend) in ELSEWHERE):
        return
    found = answer(weights, backend, capability)
    if said in ("", *KERNELS):
        assert found in KERNELS.get(said, ("",))
    else:
        assert found  # kernels without bytes of their own: batched and emulated ones


@pytest.mark.parametrize(
    ("weights", "backend", "version", "taken"),
    [
        ("int", "marlin", (0, 24, 0), "auto"),  # no word of it is read for packed integers before 0.25
        ("int", "marlin", (0, 25, 0), "marlin"),
        ("mxfp4", "marlin", (0, 18, 0), "auto"),
        ("mxfp4", "marlin", (0, 19, 0), "marlin"),
        ("plain", "humming", (0, 25, 0), "auto"),
        ("plain", "marlin", (0, 33, 0), "auto"),
        ("plain", "marlin", (0, 32, 0), "is not supported for unquantized MoE; expected one of triton"),
        ("nvfp4", "triton", (0, 33, 0), "is not supported for NvFP4 MoE; expected one of cutlass"),
        ("fp8_block", "humming", (0, 24, 0), "is not supported for FP8 MoE"),
        ("fp8_block", "humming", (0, 20, 0), "must be one of auto, triton"),
        ("mxfp8", "batched_triton", (0, 26, 0), "must be one of"),
        ("fp8_block", "flashinfer_trtllm", (0, 33, 0), "does not support FP8 MoE on compute capability 9.0"),
    ],
)
def test_releases_differ_in_the_names_they_take(
    weights: str, backend: str, version: tuple[int, int, int], taken: str
) -> None:
    target = Target(version=version, moe_backend=backend)
    if " " not in taken:
        assert asked_kernel(weights, target) == taken
        return
    with pytest.raises(InputError, match=taken):
        asked_kernel(weights, target)


def test_beside_adapters_experts_that_are_not_quantized_are_run_without_asking() -> None:
    assert asked_kernel("plain", Target(moe_backend="flashinfer_cutlass", lora=True)) == "auto"
