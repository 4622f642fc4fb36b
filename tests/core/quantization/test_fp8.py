"""fp8 formats. Numbers are worked out in the comments."""

from __future__ import annotations

import pytest

from vram.errors import ParallelismError
from vram.models.parameters import Experts, Linear, LocalLinear, Split
from vram.models.scheme import StoredTensor
from vram.quantization.fp8 import Fp8Format
from vram.quantization.online import OnlineFormat
from vram.quantization.target import Target

AMPERE, ADA, HOPPER = (8, 0), (8, 9), (9, 0)


def make(
    strategy: str, capability: tuple[int, int] = HOPPER, version: tuple[int, int, int] = (0, 33, 0), **more: object
) -> Fp8Format:
    return Fp8Format(method="fp8", strategy=strategy, target=Target(capability=capability, version=version), **more)  # type: ignore[arg-type]


def shape(inputs: int, *outputs: int, tp: int = 1, parallel: str = "column") -> LocalLinear:
    parts = tuple(Split(size=size) for size in outputs)
    return Linear(name="x", inputs=inputs, outputs=parts, parallel=parallel).local(tp, "bfloat16")  # type: ignore[arg-type]


def total(tensors: tuple[StoredTensor, ...], *, kept: bool = True) -> int:
    return sum(t.loaded_bytes if kept else t.created_bytes for t in tensors)


def test_one_scale_per_fused_part() -> None:
    weight, scale, inputs = make("tensor", static_input=True).linear(shape(4096, 4096, 1024, 1024))

    assert weight.created_bytes == 6144 * 4096
    assert scale.elements == inputs.elements == 3


def test_one_scale_per_output() -> None:
    assert make("channel").linear(shape(4096, 4096, 1024, 1024))[1].elements == 6144


def test_one_scale_per_block_counts_cut_blocks() -> None:
    # 4000 inputs are 31.25 blocks of 128, 1000 outputs 7.8
    assert make("block", strict=False).linear(shape(4000, 1000))[1].elements == 8 * 32


def test_ampere_repacks_for_marlin_with_a_bf16_scale_per_output() -> None:
    # per tensor: N·K bytes and N scales of two bytes
    assert total(make("tensor", AMPERE).linear(shape(4096, 4096))) == 4096 * 4096 + 4096 * 2


def test_marlin_blocks_become_a_bf16_scale_per_output_and_128_inputs() -> None:
    # 14336 / 128 = 112 groups
    assert total(make("block", AMPERE).linear(shape(14336, 4096))) == 4096 * 14336 + 112 * 4096 * 2


def test_ada_takes_marlin_for_blocks_since_0_20() -> None:
    old, new = (make("block", ADA, version).linear(shape(4096, 4096)) for version in ((0, 19, 0), (0, 20, 0)))

    assert total(old) == 4096 * 4096 + 32 * 32 * 4
    assert total(new) == 4096 * 4096 + 32 * 4096 * 2


def test_hopper_keeps_what_is_created() -> None:
    tensors = make("block").linear(shape(4096, 4096))

    assert total(tensors) == total(tensors, kept=False) == 4096 * 4096 + 32 * 32 * 4


def test_blocks_cut_by_tensor_parallelism_are_refused() -> None:
    with pytest.raises(ParallelismError, match="blocks of 128 inputs"):
        make("block").linear(shape(1152, 1152, tp=2, parallel="row"))  # 576 inputs a rank
    with pytest.raises(ParallelismError, match="blocks of 128 outputs"):
        make("block").linear(shape(4096, 128, 128, tp=4))


def test_fused_column_layers_may_cut_blocks_where_vllm_allows_it() -> None:
    # MiMo-V2-Flash over 4 ranks: 192 key features a rank; vLLM's own answer has ceil(3392 / 128) = 27 rows of scales
    local = shape(4096, 12288, 768, 512, tp=4)

    assert make("block", strict_merged=False).linear(local)[1].elements == 27 * 32
    with pytest.raises(ParallelismError):
        make("block").linear(local)


def test_the_last_of_merged_parts_may_end_within_a_block() -> None:
    # latent attention's fused q_a and kv_a: 1536 and 576, on every rank whole
    assert make("block").linear(shape(7168, 1536, 576))[1].elements == 17 * 56


def test_experts_on_many_ranks_get_finer_blocks() -> None:
    # 1536 / 8 = 192 a rank: gcd(128, 192) = 64 (refine_fp8_moe_block_shape)
    experts = Experts(name="x", num_experts=2, hidden_size=4096, intermediate_size=1536, top_k=2).local(
        8, 1, "bfloat16"
    )
    tensors = {t.name: t for t in make("block", scale="weight_scale_inv", refined=True).experts(experts)}

    assert tensors["w13_weight_scale_inv"].elements == 2 * 2 * 3 * 64
    assert tensors["w2_weight_scale_inv"].elements == 2 * 64 * 3


def test_experts_get_finer_blocks_of_fp8_checkpoints_since_0_29_and_on_fp8_hardware_alone() -> None:
    experts = Experts(name="x", num_experts=2, hidden_size=4096, intermediate_size=1536, top_k=2).local(
        8, 1, "bfloat16"
    )
    for refined, capability, version in (
        (False, HOPPER, (0, 33, 0)),
        (True, HOPPER, (0, 28, 0)),
        (True, AMPERE, (0, 33, 0)),
    ):
        with pytest.raises(ParallelismError):
            make("block", capability, version, refined=refined).experts(experts)


def test_online_creates_the_models_dtype_and_keeps_fp8() -> None:
    created = OnlineFormat(inner=make("tensor")).linear(shape(4096, 4096))

    assert total(created, kept=False) == 4096 * 4096 * 2
    assert total(created) == 4096 * 4096 + 4
