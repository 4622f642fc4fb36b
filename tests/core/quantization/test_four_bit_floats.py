"""NVFP4 and the microscaling formats. Numbers are worked out in the comments."""

from __future__ import annotations

import pytest

from vram.errors import QuantizationError
from vram.models.parameters import Experts, Linear, LocalLinear, Split
from vram.models.scheme import StoredTensor
from vram.quantization.microscaling import MicroscalingFormat
from vram.quantization.nvfp4 import COMPRESSED, Nvfp4Format
from vram.quantization.target import Target

HOPPER, BLACKWELL = Target(capability=(9, 0)), Target(capability=(10, 0))


def shape(inputs: int, *outputs: int) -> LocalLinear:
    return Linear(name="x", inputs=inputs, outputs=tuple(Split(size=size) for size in outputs)).local(1, "bfloat16")


def by_name(tensors: tuple[StoredTensor, ...]) -> dict[str, StoredTensor]:
    return {tensor.name: tensor for tensor in tensors}


def test_nvfp4_is_half_a_byte_and_a_byte_per_sixteen() -> None:
    tensors = by_name(Nvfp4Format(method="modelopt_fp4", target=HOPPER).linear(shape(4096, 4096, 1024, 1024)))

    assert tensors["weight"].created_bytes == 6144 * 4096 // 2
    assert tensors["weight_scale"].created_bytes == 6144 * 4096 // 16
    assert tensors["weight_scale_2"].created_bytes == tensors["input_scale"].created_bytes == 3 * 4


def test_blackwell_pads_scales_to_tiles_and_weights_to_32() -> None:
    # 200 outputs of 80 inputs: weight 224 × 96 / 2, scales 256 × 8 (80 / 16 = 5, to a multiple of 4)
    tensors = by_name(Nvfp4Format(method="modelopt_fp4", target=BLACKWELL).linear(shape(80, 200)))

    assert tensors["weight"].loaded_bytes == 224 * 96 // 2
    assert tensors["weight_scale"].loaded_bytes == 256 * 8


def test_marlin_pads_weights_and_scales_alike() -> None:
    # 200 × 80: (64, 128) tiles give 256 × 128, (128, 64) give 256 × 128
    tensors = by_name(Nvfp4Format(method="modelopt_fp4", target=HOPPER).linear(shape(80, 200)))

    assert tensors["weight"].loaded_bytes == 256 * 128 // 2
    assert tensors["weight_scale"].loaded_bytes == 256 * 128 // 16


def test_a_weight_only_checkpoints_input_scale_is_dropped() -> None:
    tensors = by_name(Nvfp4Format(method="modelopt_fp4", input_dtype="model", target=HOPPER).linear(shape(4096, 4096)))

    assert tensors["input_scale"].dtype == "bfloat16"
    assert tensors["input_scale"].loaded_bytes == 0


def test_experts_whose_rows_end_within_a_group_lose_the_rest() -> None:
    # 232 / 16 = 14.5: vLLM creates 14 scales a row (Nemotron-3-Nano over 8 ranks, its own answer)
    experts = Experts(name="x", num_experts=128, hidden_size=2688, intermediate_size=1856, top_k=6, gated=False)
    tensors = by_name(Nvfp4Format(method="modelopt_fp4", target=HOPPER).experts(experts.local(8, 1, "bfloat16")))

    assert tensors["w2_weight_scale"].elements == 128 * 2688 * 14
    assert tensors["w13_weight_scale"].elements == 128 * 232 * 168
    assert tensors["w13_weight_scale_2"].elements == 128


def test_compressed_tensors_has_its_own_names() -> None:
    tensors = Nvfp4Format(method="compressed-tensors", names=COMPRESSED, target=HOPPER).linear(shape(4096, 4096))

    assert [t.name for t in tensors] == ["weight_packed", "weight_scale", "weight_global_scale", "input_global_scale"]


def test_inputs_that_are_no_multiple_of_the_group_are_refused() -> None:
    with pytest.raises(QuantizationError, match="multiple of 16"):
        Nvfp4Format(method="modelopt_fp4").linear(shape(100, 64))
    with pytest.raises(QuantizationError, match="multiple of 32"):
        MicroscalingFormat(method="mxfp4", bits=4).linear(shape(48, 64))


@pytest.mark.parametrize(("bits", "weight_bytes"), [(4, 4096 * 4096 // 2), (8, 4096 * 4096)])
def test_microscaling_adds_a_byte_per_32(bits: int, weight_bytes: int) -> None:
    weight, scale = MicroscalingFormat(method="mx", bits=bits).linear(shape(4096, 4096))

    assert weight.created_bytes == weight_bytes
    assert scale.created_bytes == 4096 * 4096 // 32


@pytest.mark.parametrize(
    ("target", "w13", "w2"),
    [
        (Target(capability=(8, 0)), 2 * 192 * 2688, 2688 * 192),  # Marlin: 160 → 192
        (Target(capability=(9, 0)), 512 * 2688, 2816 * 256),  # Humming: 320 → 512 rows; 2688 → 2816 rows, 160 → 256
        (Target(capability=(10, 0)), 2 * 256 * 2816, 2816 * 256),  # TRT-LLM: 160 → 256, 2688 → 2816
        (Target(capability=(10, 0), version=(0, 31, 0)), 2 * 160 * 2688, 2688 * 160),
    ],
)
def test_eight_bit_experts_are_padded_by_their_kernel(target: Target, w13: int, w2: int) -> None:
    experts = Experts(name="x", num_experts=4, hidden_size=2688, intermediate_size=160, top_k=2)
    tensors = by_name(
        MicroscalingFormat(method="mxfp8", bits=8, target=target).experts(experts.local(1, 1, "bfloat16"))
    )

    assert tensors["w13_weight"].loaded_bytes == 4 * w13
    assert tensors["w2_weight"].loaded_bytes == 4 * w2
    assert tensors["w2_weight_scale"].loaded_bytes == 4 * w2 // 32


def test_experts_with_biases_have_them_in_the_layers_dtype() -> None:
    experts = Experts(name="x", num_experts=8, hidden_size=256, intermediate_size=128, top_k=2, bias=True)
    tensors = by_name(MicroscalingFormat(method="mxfp4", bits=4).experts(experts.local(1, 1, "bfloat16")))

    assert tensors["w13_bias"].created_bytes == 8 * 2 * 128 * 2
    assert tensors["w2_bias"].created_bytes == 8 * 256 * 2


@pytest.mark.parametrize(
    ("target", "hidden", "width"),
    [
        (Target(capability=(10, 0)), 2816, 192),  # TRT-LLM: hidden size to 256, width to 64
        (Target(capability=(10, 0), version=(0, 31, 0)), 2688, 192),  # before 0.32 the width alone
        (Target(capability=(9, 0)), 2688, 192),  # Humming: see below
        (Target(capability=(8, 0)), 2688, 192),  # Marlin: width to 64
    ],
)
def test_four_bit_experts_are_padded_by_their_kernel(target: Target, hidden: int, width: int) -> None:
    # 4 experts of 2688 × 176, gated; on Hopper w13 has 352 → 512 rows of 2688 inputs, w2 2688 → 2816 rows of 176 → 256
    experts = Experts(name="x", num_experts=4, hidden_size=2688, intermediate_size=176, top_k=2)
    tensors = by_name(Nvfp4Format(method="modelopt_fp4", target=target).experts(experts.local(1, 1, "bfloat16")))
    if target.generation == "hopper":
        w13, w2 = 512 * 2688, 2816 * 256
    else:
        w13, w2 = 2 * width * hidden, hidden * width

    assert tensors["w13_weight"].loaded_bytes == 4 * w13 // 2
    assert tensors["w13_weight_scale"].loaded_bytes == 4 * w13 // 16
    assert tensors["w2_weight"].loaded_bytes == 4 * w2 // 2
    assert tensors["w2_weight_scale"].loaded_bytes == 4 * w2 // 16


def test_consumer_blackwell_pads_the_scales_alone() -> None:
    # 352 rows → 384, 2688 / 16 = 168 groups; 2688 rows, 176 / 16 = 11 groups → 12
    experts = Experts(name="x", num_experts=4, hidden_size=2688, intermediate_size=176, top_k=2)
    form = Nvfp4Format(method="modelopt_fp4", target=Target(capability=(12, 0)))
    tensors = by_name(form.experts(experts.local(1, 1, "bfloat16")))

    assert tensors["w13_weight"].loaded_bytes == tensors["w13_weight"].created_bytes
    assert tensors["w13_weight_scale"].loaded_bytes == 4 * 384 * 168
    assert tensors["w2_weight_scale"].loaded_bytes == 4 * 2688 * 12


def test_weights_without_quantized_activations_run_on_marlin_even_on_blackwell() -> None:
    # vLLM's own answer for Nemotron-3.5-Lightning: MarlinExperts on B200; a width of 176 becomes 192
    experts = Experts(name="x", num_experts=4, hidden_size=2688, intermediate_size=176, top_k=2)
    form = Nvfp4Format(method="modelopt_fp4", input_dtype="model", target=BLACKWELL)
    tensors = by_name(form.experts(experts.local(1, 1, "bfloat16")))

    assert tensors["w2_weight"].loaded_bytes == 4 * 2688 * 192 // 2


def test_hoppers_linears_are_padded_by_humming_since_0_32() -> None:
    # 200 outputs of 80 inputs: 256 × 128
    new = by_name(Nvfp4Format(method="modelopt_fp4", target=HOPPER).linear(shape(80, 576)))
    old = by_name(Nvfp4Format(method="modelopt_fp4", target=Target(version=(0, 31, 0))).linear(shape(80, 576)))

    assert new["weight"].loaded_bytes == 768 * 128 // 2
    assert old["weight"].loaded_bytes == 576 * 128 // 2
