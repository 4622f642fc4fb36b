"""Widths and kinds of layers, read off modules of a few made-up layers."""

from __future__ import annotations

from typing import Any

import pytest

from vram.estimate.memory.shapes import ExpertShapes, ModelShapes, kernel_of, model_shapes
from vram.estimate.weights.ranks import Parallelism
from vram.estimate.weights.resolved import resolve
from vram.models.cache import AttentionCache, LatentCache, StateCache, StateTensor
from vram.models.parameters import Experts, Linear, LocalExperts, LocalLinear, Split, Tensor
from vram.models.scheme import Format, StoredTensor
from vram.models.spec import Layer, LayerRun, ModelSpec

ATTENTION = AttentionCache(kind="full_attention", num_kv_heads=2, head_size=8, head_size_v=8)
LATENT = LatentCache(kv_lora_rank=32, qk_rope_head_dim=8)


def state(kind: Any) -> StateCache:
    return StateCache(kind=kind, tensors=(StateTensor(rows=(Split(size=8),), columns=1),))


def linear(name: str, inputs: int, *outputs: int, row: bool = False, count: int = 1) -> Linear:
    parts = tuple(Split(size=size) for size in outputs)
    return Linear(name=name, inputs=inputs, outputs=parts, parallel="row" if row else "column", count=count)


def layer(*modules: Any, caches: tuple[Any, ...] = ()) -> Layer:
    return Layer(modules=tuple(modules), caches=caches)


def shapes_of(*layers: tuple[Layer, int], tp: int = 1) -> ModelShapes:
    runs, first = [], 0
    for one, count in layers:
        runs.append(LayerRun(layer=one, indices=tuple(range(first, first + count))))
        first += count
    spec = ModelSpec(
        architecture="Test", dtype="bfloat16", hidden_size=64, vocab_size=100, num_attention_heads=4, max_model_len=64,
        derived_max_model_len=64, num_layers=first, runs=tuple(runs), placed=(),
    )  # fmt: skip
    parallel = Parallelism.of(tp=tp, pp=1, dp=1, expert_parallel=False)
    return model_shapes(resolve(spec, None), parallel, "bfloat16")


ATTENTION_BLOCK = (linear("qkv", 64, 64, 16, 16), linear("o", 64, 64, row=True))
MLP = (linear("gate_up", 64, 160, 160), linear("down", 160, 64, row=True))


def test_the_widest_block_is_what_lives_between_two_row_parallel_projections() -> None:
    # attention: 96 of q, k, v and the 64 that o reads; MLP: 320 of gate and up and the 160 that down reads
    assert shapes_of((layer(*ATTENTION_BLOCK), 1)).widest == 96 + 64
    assert shapes_of((layer(*ATTENTION_BLOCK, *MLP), 1)).widest == 320 + 160
    assert shapes_of((layer(*MLP, *ATTENTION_BLOCK), 1)).widest == 320 + 160
    assert shapes_of((layer(*ATTENTION_BLOCK), 1), (layer(*MLP), 1)).widest == 480
    assert shapes_of((layer(*ATTENTION_BLOCK, *MLP), 1), tp=4).widest == 80 + 40


def test_a_block_without_a_last_projection_and_several_of_one_count_too() -> None:
    assert shapes_of((layer(*ATTENTION_BLOCK, linear("open", 64, 500)), 1)).widest == 500
    assert shapes_of((layer(linear("many", 64, 10, count=7), Tensor(name="t", shape=(9999,))), 1)).widest == 70
    # the row-parallel one starts anew: 10 + 5, then 12
    three = layer(linear("a", 64, 10), linear("b", 5, 64, row=True), linear("c", 64, 12))
    assert shapes_of((three, 1)).widest == 15


def test_a_recurrence_does_not_run_while_vllm_profiles() -> None:
    # gdn/qwen_gdn_linear_attn.py:_forward_core (0.24.0) returns before its convolution: the layer is as wide as its projections
    plain = layer(*ATTENTION_BLOCK, *MLP, caches=(ATTENTION,))
    recurrent = layer(*ATTENTION_BLOCK, *MLP, caches=(state("mamba2"),))
    assert shapes_of((plain, 1)).widest == shapes_of((recurrent, 1)).widest == 320 + 160


def test_latent_attention_projects_up_from_its_rank() -> None:
    # kv_b: 32 inputs (the rank) to 4 heads × (16 + 16); over 2 ranks half; other projections are not read from the rank
    block = (linear("kv_b", 32, 128), linear("q", 64, 96), linear("o", 32, 64, row=True))
    assert shapes_of((layer(*block, caches=(LATENT,)), 1)).latent_width == 128
    assert shapes_of((layer(*block, caches=(LATENT,)), 1), tp=2).latent_width == 64
    assert shapes_of((layer(*block, caches=(ATTENTION,)), 1)).latent_width == 0
    wider = layer(linear("kv_b", 32, 200), caches=(LATENT,))
    assert shapes_of((layer(*block, caches=(LATENT,)), 1), (wider, 1)).latent_width == 200


def test_layers_are_counted_by_what_they_keep() -> None:
    shapes = shapes_of(
        (layer(caches=(ATTENTION,)), 3),
        (layer(caches=(state("gated_delta_net"),)), 4),
        (layer(caches=(state("kda"), LATENT)), 5),
        (layer(caches=(state("linear_attention"),)), 6),
        (layer(caches=(state("mamba1"),)), 7),
        (layer(caches=(state("short_conv"), state("mamba2"))), 9),
    )
    assert (shapes.layers, shapes.gated_delta_layers, shapes.mamba_layers, shapes.latent_layers) == (34, 15, 16, 5)
    assert (shapes.hidden, shapes.vocabulary, shapes.widest) == (64, 100, 0)


class _Bits(Format):
    def __init__(self, bits: float) -> None:
        self.bits = bits

    @property
    def bits_per_weight(self) -> float:
        return self.bits

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        return ()

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        return ()


def test_equal_experts_are_one_shape() -> None:
    experts = Experts(name="experts", num_experts=8, hidden_size=64, intermediate_size=32, top_k=2)
    shapes = shapes_of((layer(experts), 2), (layer(experts, *MLP), 3), tp=2)
    assert shapes.experts == (ExpertShapes(local=experts.local(2, 1, "bfloat16"), kernel="plain"),)


#: 8 experts of 64 × 32, gated: 64 rows of gate and up per expert
LOCAL = Experts(name="experts", num_experts=8, hidden_size=64, intermediate_size=32, top_k=2).local(1, 1, "bfloat16")


def stored(name: str, elements: int, dtype: str) -> StoredTensor:
    return StoredTensor(name=name, elements=elements, dtype=dtype)


@pytest.mark.parametrize(
    ("tensors", "kernel"),
    [
        ((), "plain"),
        ((stored("w13_weight", 999, "bfloat16"),), "plain"),
        # packed bytes with fp8 scales, with one-byte exponents, without block scales
        ((stored("w13_weight", 999, "uint8"), stored("w13_weight_scale", 99, "float8_e4m3fn")), "nvfp4"),
        ((stored("w13_weight", 999, "float4_e2m1fn_x2"), stored("w13_weight_scale", 99, "float8_e4m3fn")), "nvfp4"),
        ((stored("w13_weight", 999, "uint8"), stored("w13_weight_scale", 99, "uint8")), "mxfp4"),
        ((stored("w13_weight", 999, "uint8"), stored("w13_weight_scale", 16, "float32")), "plain"),
        ((stored("w13_weight", 999, "uint8"),), "plain"),
        # fp8 in blocks: more fp32 scales than two per expert, and not one per row
        ((stored("w13_weight", 999, "float8_e4m3fn"), stored("w13_weight_scale_inv", 32, "float32")), "fp8_block"),
        ((stored("w13_weight", 999, "float8_e4m3fn"), stored("w13_weight_scale_inv", 17, "float32")), "fp8_block"),
        (
            (stored("w13_weight", 999, "float8_e4m3fn"), stored("w13_weight_scale", 16, "float32")),
            "plain",
        ),  # per tensor
        (
            (stored("w13_weight", 999, "float8_e4m3fn"), stored("w13_weight_scale", 8 * 64, "float32")),
            "plain",
        ),  # per row
        ((stored("w13_weight", 999, "float8_e4m3fn"), stored("input_scale", 32, "float32")), "plain"),
        ((stored("w13_weight", 999, "float8_e4m3fn"), stored("w13_weight_scale", 32, "uint8")), "plain"),  # MXFP8
        ((stored("w13_weight", 999, "int8"), stored("w13_weight_scale", 32, "float32")), "plain"),
    ],
)
def test_kernels_are_told_by_how_weights_are_stored(tensors: tuple[StoredTensor, ...], kernel: str) -> None:
    assert kernel_of(tensors, LOCAL) == kernel


def test_one_scale_per_row_of_either_matrix_is_no_block() -> None:
    # w13 has 8 × 2 × 48 rows, w2 has 8 × 64
    local = Experts(name="e", num_experts=8, hidden_size=64, intermediate_size=48, top_k=2).local(1, 1, "bfloat16")
    weight = stored("w", 999, "float8_e4m3fn")
    assert kernel_of((weight, stored("w13_scale", 8 * 96, "float32")), local) == "plain"
    assert kernel_of((weight, stored("w2_scale", 8 * 64, "float32")), local) == "plain"
    assert kernel_of((weight, stored("w2_scale", 8 * 65, "float32")), local) == "fp8_block"
