"""MXFP4 experts by kernel. Numbers are vLLM's own answers for gpt-oss, logs, or worked out in the comments."""

from __future__ import annotations

import pytest

from vram.models.parameters import Experts
from vram.models.scheme import StoredTensor
from vram.quantization.mxfp4 import Mxfp4Experts
from vram.quantization.target import Target
from vram.vllm.allocator import block_bytes

#: gpt-oss-120b's experts, one layer
GPT_OSS = Experts(
    name="x", num_experts=128, hidden_size=2880, intermediate_size=2880, top_k=4, bias=True, activation="swigluoai"
)
GIB = 2**30


def stored(capability: tuple[int, int], version: tuple[int, int, int], tp: int = 1) -> dict[str, StoredTensor]:
    target = Target(capability=capability, version=version)
    tensors = Mxfp4Experts(method="mxfp4", order="gpt_oss_mxfp4", target=target).experts(
        GPT_OSS.local(tp, 1, "bfloat16")
    )
    return {tensor.name: tensor for tensor in tensors}


@pytest.mark.parametrize(
    ("capability", "version", "hidden", "width"),
    [
        ((8, 0), (0, 33, 0), 3072, 2944),  # Marlin: 256 and 128
        ((12, 0), (0, 33, 0), 3072, 2944),
        ((9, 0), (0, 11, 1), 3072, 2944),  # the wheel brings no triton_kernels yet
        ((9, 0), (0, 12, 0), 2880, 2880),  # Triton: 64
        ((9, 0), (0, 33, 0), 2880, 2880),
        ((10, 0), (0, 26, 0), 3072, 3072),  # TRT-LLM: 256 and 256
        ((10, 0), (0, 27, 0), 3072, 2944),  # 256 and 128
    ],
)
def test_the_kernel_rounds_the_sizes_before_tensors_are_created(
    capability: tuple[int, int], version: tuple[int, int, int], hidden: int, width: int
) -> None:
    tensors = stored(capability, version)

    assert tensors["w13_weight"].elements == 128 * 2 * width * hidden // 2
    assert tensors["w2_weight_scale"].elements == 128 * hidden * width // 32
    assert tensors["w13_bias"].created_bytes == 128 * 2 * width * 2


def test_the_width_is_divided_first() -> None:
    # 2880 / 8 = 360: 384 on Hopper (64) and elsewhere (128)
    assert stored((9, 0), (0, 33, 0), tp=8)["w2_weight"].elements == 128 * 2880 * 384 // 2
    assert stored((8, 9), (0, 33, 0), tp=8)["w2_weight"].elements == 128 * 3072 * 384 // 2


def test_triton_kept_the_checkpoints_scales_until_0_25() -> None:
    # one layer's: 128 × (5760 + 2880) × 90 bytes, which w13's and w2's swizzled scales do not replace
    before, after = stored((9, 0), (0, 24, 0)), stored((9, 0), (0, 25, 0))
    unread = sum(tensor.loaded_bytes for name, tensor in before.items() if name.endswith("unread"))

    assert unread == 128 * (5760 + 2880) * 90
    assert not any(name.endswith("unread") for name in after)
    # w13's: 5760 rows to 5888 (256); 90 groups are even, and 92 when they have to be a multiple of four
    assert after["w13_weight_scale"].loaded_bytes == 128 * 5888 * 90
    assert stored((9, 0), (0, 26, 0))["w13_weight_scale"].loaded_bytes == 128 * 5888 * 92


def test_biases_are_kept_in_fp32_by_triton_and_trt_llm() -> None:
    assert stored((9, 0), (0, 33, 0))["w13_bias"].loaded_bytes == 128 * 5760 * 4
    assert stored((10, 0), (0, 33, 0))["w2_bias"].loaded_bytes == 128 * 3072 * 4
    assert stored((8, 0), (0, 33, 0))["w2_bias"].loaded_bytes == 128 * 3072 * 2


@pytest.mark.parametrize(("version", "logged"), [((0, 10, 1), 65.97), ((0, 14, 1), 64.38)])
def test_gpt_oss_120b_takes_what_two_h100s_logged(version: tuple[int, int, int], logged: float) -> None:
    # everything else, by hand: bf16 embedding, head, attention with biases and sinks, router; a rope table in fp32
    layer = (64 + 16) * 64 * 2881 + 64 * 64 * 2880 + 2880 + 64 + 128 * 2881 + 2 * 2880
    rest = 2 * (2 * 201088 * 2880 + 36 * layer + 2880) + 4 * 131072 * 64
    experts = sum(block_bytes(tensor.loaded_bytes) for tensor in stored((9, 0), version).values())

    assert (36 * experts + rest) / GIB == pytest.approx(logged, abs=0.0075)
