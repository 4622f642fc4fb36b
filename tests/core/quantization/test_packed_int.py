"""Packed integers: created tensors by vLLM's shapes, kept ones by its kernels. Numbers are worked out in the comments."""

from __future__ import annotations

import pytest

from vram.errors import ParallelismError, QuantizationError
from vram.models.parameters import Experts, Linear, LocalLinear, Split
from vram.models.scheme import StoredTensor
from vram.quantization.packed_int import AWQ, COMPRESSED, GPTQ, IntLayout, PackedIntFormat
from vram.quantization.target import Target

AMPERE, HOPPER, TURING, PASCAL = (8, 0), (9, 0), (7, 5), (6, 1)


def make(
    layout: IntLayout, bits: int = 4, group: int = 128, *, capability: tuple[int, int] = AMPERE, **more: object
) -> PackedIntFormat:
    return PackedIntFormat(
        method="test",
        layout=layout,
        bits=bits,
        group_size=group,
        target=Target(capability=capability, version=(0, 32, 0)),
        **more,
    )  # type: ignore[arg-type]


def shape(inputs: int, outputs: int, tp: int = 1, parallel: str = "column") -> LocalLinear:
    linear = Linear(name="x", inputs=inputs, outputs=(Split(size=outputs),), parallel=parallel)  # type: ignore[arg-type]
    return linear.local(tp, "float16")


def by_name(tensors: tuple[StoredTensor, ...]) -> dict[str, StoredTensor]:
    return {tensor.name: tensor for tensor in tensors}


def test_gptq_creates_zero_points_and_marlin_drops_them() -> None:
    tensors = by_name(make(GPTQ).linear(shape(4096, 4096)))

    assert tensors["qweight"].created_bytes == 4096 * 4096 // 2
    assert tensors["scales"].created_bytes == 32 * 4096 * 2  # 4096 / 128 groups of fp16
    assert tensors["qzeros"].created_bytes == 32 * 4096 // 2
    assert tensors["qzeros"].loaded_bytes == 0


def test_machete_keeps_a_symmetric_checkpoints_zero_points() -> None:
    zeros = by_name(make(GPTQ, capability=HOPPER).linear(shape(4096, 4096)))["qzeros"]

    assert zeros.loaded_bytes == zeros.created_bytes == 32 * 4096 // 2


def test_machete_unpacks_the_zero_points_it_needs() -> None:
    zeros = by_name(make(AWQ, capability=HOPPER, zero_points=True).linear(shape(4096, 4096)))["qzeros"]

    assert zeros.created_bytes == 32 * 4096 // 2
    assert zeros.loaded_bytes == 32 * 4096 * 2  # one fp16 each, four times the packed size


def test_marlin_keeps_awqs_zero_points_packed() -> None:
    zeros = by_name(make(AWQ, zero_points=True).linear(shape(4096, 4096)))["qzeros"]

    assert zeros.loaded_bytes == zeros.created_bytes


def test_marlin_pads_to_the_cheaper_tile() -> None:
    # 1000 outputs, 4096 inputs: (64, 128) tiles give 1024 × 4096, (128, 64) tiles the same; groups stay 32
    tensors = by_name(make(COMPRESSED).linear(shape(4096, 1000)))

    assert tensors["weight_packed"].created_bytes == 1000 * 4096 // 2
    assert tensors["weight_packed"].loaded_bytes == 1024 * 4096 // 2
    assert tensors["weight_scale"].loaded_bytes == 32 * 1024 * 2


def test_a_gpu_before_turing_keeps_everything_as_stored() -> None:
    for tensor in make(GPTQ, capability=PASCAL).linear(shape(4096, 4096)):
        assert tensor.loaded_bytes == tensor.created_bytes


def test_compressed_tensors_rounds_words_up_and_stores_the_shape() -> None:
    # 3 bits: 100 inputs are 300 bits, ten words; compressed-tensors creates no zero points for symmetric weights
    tensors = by_name(make(COMPRESSED, bits=3, group=-1).linear(shape(100, 8)))

    assert tensors["weight_packed"].elements == 8 * 10
    assert tensors["weight_shape"].created_bytes == 16
    assert "weight_zero_point" not in tensors


def test_act_order_keeps_index_and_sort_order_and_every_ranks_scales() -> None:
    form = make(GPTQ, group_index=True, act_order=True)
    tensors = by_name(form.linear(shape(8192, 4096, tp=2, parallel="row")))

    assert tensors["g_idx"].created_bytes == 4096 * 4
    assert tensors["g_idx"].loaded_bytes == 2 * 4096 * 4  # g_idx and g_idx_sort_indices
    assert tensors["scales"].elements == 64 * 4096  # all 64 groups on either rank


def test_without_act_order_the_index_is_dropped() -> None:
    tensors = by_name(make(GPTQ, group_index=True).linear(shape(4096, 4096)))

    assert tensors["g_idx"].created_bytes == 4096 * 4
    assert tensors["g_idx"].loaded_bytes == 0


def test_groups_cut_by_tensor_parallelism_are_refused() -> None:
    with pytest.raises(ParallelismError, match="groups of 128 inputs: 231"):
        make(AWQ).linear(shape(29568, 8192, tp=2, parallel="row"))  # 231 groups over 2 ranks


def test_groups_that_fit_no_layer_are_refused() -> None:
    with pytest.raises(QuantizationError, match="no multiple of group_size 96"):
        make(AWQ, group=96).linear(shape(4096, 4096))


def test_gptq_experts_have_biases_even_where_the_model_has_none() -> None:
    experts = Experts(name="x", num_experts=4, hidden_size=256, intermediate_size=128, top_k=2).local(1, 1, "bfloat16")
    tensors = by_name(make(GPTQ).experts(experts))

    # 4 experts: up 2·128 rows of 256, down 256 rows of 128
    assert tensors["w13_qweight"].created_bytes == 4 * 256 * 256 // 2
    assert tensors["w2_qweight"].created_bytes == 4 * 256 * 128 // 2
    assert tensors["w13_bias"].elements == 4 * 256
    assert tensors["w2_bias"].elements == 4 * 256


def test_experts_that_do_not_fit_marlin_halve_their_groups() -> None:
    # 768 / 8 ranks = 96: 128 and 64 do not divide it, 32 does; bytes instead of words (moe_wna16.py)
    experts = Experts(name="x", num_experts=4, hidden_size=2048, intermediate_size=768, top_k=2).local(8, 1, "bfloat16")
    tensors = by_name(make(AWQ, zero_points=True).experts(experts))

    assert tensors["w2_qweight"].created_bytes == 4 * 2048 * 96 // 2
    assert tensors["w2_scales"].elements == 4 * 2048 * 3
    assert tensors["w2_qzeros"].created_bytes == 4 * 1024 * 3


def test_humming_pads_what_machete_does_not_take_on_hopper() -> None:
    # 192 outputs are no multiple of 128: 256 × 4096; vLLM's own answer for Qwen3-Coder-480B in AWQ has such a layer
    tensors = by_name(make(AWQ, capability=HOPPER, zero_points=True).linear(shape(4096, 192)))

    assert tensors["qweight"].loaded_bytes == 256 * 4096 // 2
    assert tensors["scales"].loaded_bytes == 32 * 256 * 2
    assert tensors["qzeros"].loaded_bytes == 32 * 256 // 2


def test_humming_runs_integer_experts_on_hopper() -> None:
    # 96 wide per rank: w13 192 → 256 rows of 2048 inputs, w2 2048 rows of 96 → 128 inputs, groups of 32
    experts = Experts(name="x", num_experts=8, hidden_size=2048, intermediate_size=96, top_k=2)
    tensors = by_name(make(COMPRESSED, group=32, capability=HOPPER).experts(experts.local(1, 1, "bfloat16")))

    assert tensors["w13_weight_packed"].loaded_bytes == 8 * 256 * 2048 // 2
    assert tensors["w2_weight_packed"].loaded_bytes == 8 * 2048 * 128 // 2
    assert tensors["w2_weight_scale"].loaded_bytes == 8 * 2048 * 4 * 2
