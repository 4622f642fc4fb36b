"""Which kernel runs experts. Expected kernels are vLLM 0.33.0's own answers under a pretended GPU, or read in its sources."""

from __future__ import annotations

import pytest

from vram.errors import InputError, ParallelismError
from vram.models.parameters import Experts, LocalExperts
from vram.models.record import evolve
from vram.quantization.expert_kernels import ExpertWeights, expert_kernel
from vram.quantization.fp8 import Fp8Format
from vram.quantization.online import OnlineFormat
from vram.quantization.target import Target
from vram.quantization.unquantized import UnquantizedFormat

AMPERE, ADA, HOPPER, BLACKWELL, CONSUMER = (8, 0), (8, 9), (9, 0), (10, 0), (12, 0)
QWEN3 = Experts(name="x", num_experts=128, hidden_size=2048, intermediate_size=768, top_k=8)


def shape(tp: int = 1, **changes: object) -> LocalExperts:
    return evolve(QWEN3.local(tp, 1, "bfloat16"), **changes)


@pytest.mark.parametrize(
    ("weights", "capability", "kernel"),
    [
        ("plain", HOPPER, "triton"),
        ("plain", BLACKWELL, "trtllm"),
        ("nvfp4", AMPERE, "marlin"),
        ("nvfp4", HOPPER, "humming"),
        ("nvfp4", BLACKWELL, "trtllm"),
        ("nvfp4", CONSUMER, "flashinfer_cutlass"),
        ("nvfp4_weights", BLACKWELL, "marlin"),
        ("nvfp4_weights", HOPPER, "humming"),
        ("gpt_oss_mxfp4", ADA, "marlin"),
        ("gpt_oss_mxfp4", HOPPER, "triton_swizzled"),
        ("gpt_oss_mxfp4", BLACKWELL, "trtllm"),
        ("gpt_oss_mxfp4", CONSUMER, "marlin"),
        ("mxfp4", HOPPER, "humming"),
        ("mxfp4", CONSUMER, "deep_gemm"),
        ("int", HOPPER, "humming"),
        ("int", BLACKWELL, "marlin"),
        ("fp8_block", AMPERE, "marlin"),
        ("fp8_block", HOPPER, "triton"),
        ("fp8_block", BLACKWELL, "trtllm"),
        ("fp8_block", CONSUMER, "deep_gemm"),
        ("fp8_static", HOPPER, "flashinfer_cutlass"),
        ("fp8_static", ADA, "triton"),
    ],
)
def test_the_gpu_decides(weights: ExpertWeights, capability: tuple[int, int], kernel: str) -> None:
    assert expert_kernel(weights, shape(), Target(capability=capability)) == kernel


@pytest.mark.parametrize(
    ("changes", "kernel"),
    [
        ({"routing": "default"}, "triton"),  # DeepSeek-V2-Lite: FlashInfer CUTLASS, which pads nothing
        ({"routing": "custom"}, "triton"),  # Phi-3.5-MoE
        ({"activation": "swigluoai"}, "triton"),  # gpt-oss unquantized
        ({"activation": "relu2_no_mul", "routing": "deepseek_v3"}, "trtllm"),  # Nemotron-3-Nano
        ({"routing": "minimax2"}, "trtllm"),
        ({"global_experts": 4096}, "triton"),
    ],
)
def test_plain_experts_on_blackwell_need_a_kernel_that_routes_as_they_do(
    changes: dict[str, object], kernel: str
) -> None:
    assert expert_kernel("plain", shape(**changes), Target(capability=BLACKWELL)) == kernel


def test_routing_without_groups_came_to_trt_llm_in_0_32() -> None:
    target = Target(capability=BLACKWELL, version=(0, 31, 0))

    assert expert_kernel("plain", shape(routing="minimax2"), target) == "triton"


def test_the_user_may_choose_what_these_weights_have() -> None:
    asked = Target(capability=HOPPER, moe_backend="marlin")

    assert expert_kernel("gpt_oss_mxfp4", shape(), asked) == "marlin"
    assert expert_kernel("plain", shape(), asked) == "triton"


def test_kernels_are_asked_for_as_vllm_reads_their_names() -> None:
    # `config/kernel.py:KernelConfig._normalize_moe_backend` (0.33.0): lower case, underscores
    assert (
        expert_kernel("fp8_block", shape(), Target(capability=BLACKWELL, moe_backend="Flashinfer-TRTLLM")) == "trtllm"
    )


def test_a_kernel_that_no_release_has_is_refused() -> None:
    with pytest.raises(InputError, match="moe_backend"):
        expert_kernel("plain", shape(), Target(capability=HOPPER, moe_backend="marlinn"))


def test_adapters_leave_two_kernels() -> None:
    served = Target(capability=BLACKWELL, lora=True)

    assert expert_kernel("plain", shape(), served) == "triton"
    assert expert_kernel("gpt_oss_mxfp4", shape(), served) == "marlin"


def test_trt_llm_rounds_the_width_of_a_rank_up_to_128() -> None:
    # Qwen3-30B-A3B over four B200: 768 / 4 = 192 becomes 256 before the tensors are created; only once loaded before 0.31
    new = UnquantizedFormat(target=Target(capability=BLACKWELL)).experts(shape(4))
    old = UnquantizedFormat(target=Target(capability=BLACKWELL, version=(0, 30, 0))).experts(shape(4))
    hopper = UnquantizedFormat(target=Target(capability=HOPPER)).experts(shape(4))

    assert new[0].created_bytes == new[0].loaded_bytes == 128 * 512 * 2048 * 2
    assert old[0].created_bytes == hopper[0].created_bytes == 128 * 384 * 2048 * 2
    assert old[0].loaded_bytes == new[0].loaded_bytes
    assert hopper[0].loaded_bytes == hopper[0].created_bytes


def test_deep_gemm_has_a_byte_per_row_and_128_inputs() -> None:
    # w13 1536 × 2048: 16 blocks a row in 4 words of 4 bytes; w2 2048 × 768: 6 blocks in 2 words
    form = Fp8Format(method="fp8", strategy="block", refined=True, target=Target(capability=CONSUMER))
    scales = [tensor for tensor in form.experts(shape()) if tensor.name.endswith("scale")]

    assert [tensor.loaded_bytes for tensor in scales] == [128 * 1536 * 16, 128 * 2048 * 8]
    assert scales[0].created_bytes == 128 * 12 * 16 * 4


def test_experts_whose_blocks_are_cut_are_not_deep_gemms() -> None:
    # 768 / 4 = 192 is no multiple of 128: blocks of 64, which vLLM's own answer runs on Triton
    form = Fp8Format(method="fp8", strategy="block", refined=True, target=Target(capability=CONSUMER))
    scales = [tensor for tensor in form.experts(shape(4)) if tensor.name.endswith("scale")]

    assert all(tensor.loaded_bytes == tensor.created_bytes for tensor in scales)
    assert scales[0].created_bytes == 128 * 6 * 32 * 4


@pytest.mark.parametrize(("capability", "version"), [(AMPERE, (0, 33, 0)), (HOPPER, (0, 28, 0))])
def test_experts_whose_blocks_are_cut_are_refused(capability: tuple[int, int], version: tuple[int, int, int]) -> None:
    # vLLM 0.33.0 pretending to be an A100: "No FP8 MoE backend supports the deployment configuration"
    form = Fp8Format(
        method="fp8", strategy="block", refined=True, target=Target(capability=capability, version=version)
    )

    with pytest.raises(ParallelismError, match="blocks of 128"):
        form.experts(shape(4))


def test_blocks_made_while_loading_are_whole() -> None:
    # Qwen3-30B-A3B over four ranks with --quantization fp8_per_block: 192 becomes 256, as vLLM's own answer has it
    form = OnlineFormat(inner=Fp8Format(method="fp8_per_block", strategy="block"), multiple=128)
    tensors = form.experts(shape(4))

    assert tensors[0].created_bytes == 128 * 512 * 2048 * 2
    assert sum(tensor.loaded_bytes for tensor in tensors) == 128 * (3 * 256 * 2048 + (4 * 16 + 16 * 2) * 4)


def test_flashinfer_pads_static_fp8_experts_without_gate_to_128() -> None:
    # Nemotron-3-Nano's 1856 become 1920 on Hopper and Blackwell; gated ones only to 16
    plain = evolve(shape(), intermediate_size=1856, gated=False, activation="relu2_no_mul")
    form = Fp8Format(method="modelopt", strategy="tensor", static_input=True, target=Target(capability=HOPPER))

    assert form.experts(plain)[0].loaded_bytes == 128 * 1920 * 2048
    assert form.experts(evolve(shape(), intermediate_size=1848))[0].loaded_bytes == 128 * 2 * 1856 * 2048
