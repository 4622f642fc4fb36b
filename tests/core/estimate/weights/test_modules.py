"""Single modules: what the scheme is asked, what they take when created and when loaded, where they are (`ranks.py`)."""

from __future__ import annotations

from typing import Any

import pytest
from attrs import frozen

from vram.errors import ConfigError, InputError
from vram.estimate.weights.parameters import parameter_count
from vram.estimate.weights.ranks import Parallelism, RankWeights, module_bytes, pipeline_layers, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.cache import AttentionCache, LatentCache
from vram.models.parameters import (
    Embedding,
    Experts,
    Linear,
    LocalExperts,
    LocalLinear,
    Module,
    Placed,
    Split,
    Stage,
    Tensor,
)
from vram.models.scheme import Format, ModuleRef, Quantization, StoredTensor
from vram.models.spec import Draft, Layer, LayerRun, ModelSpec

ONE = Parallelism()
BF16 = "bfloat16"


@frozen
class EightBit(Format):
    """One byte a weight."""

    bits_per_weight = 8.0

    def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
        return (StoredTensor(name="weight", elements=shape.rows * shape.inputs, dtype="int8"),)

    def experts(self, shape: LocalExperts) -> tuple[StoredTensor, ...]:
        width = shape.up_rows + shape.intermediate_size
        return (StoredTensor(name="w", elements=shape.experts * shape.hidden_size * width, dtype="int8"),)


class Asked(Quantization):
    """Eight bits for all but what is ignored; notes every module it is asked about."""

    name = "asked"

    def __init__(self, *, embeddings: bool = False, ignored: str = "nothing") -> None:
        self.embeddings = embeddings
        self.ignored = ignored
        self.modules: list[ModuleRef] = []
        self.heads: list[int] = []

    def format_for(self, module: ModuleRef) -> Format | None:
        self.modules.append(module)
        return None if self.ignored in module.name else EightBit()

    def attention_tensors(self, num_kv_heads: int) -> tuple[Tensor, ...]:
        self.heads.append(num_kv_heads)
        return (Tensor(name="scale", shape=(num_kv_heads or 1,), dtype="float32"),)


def linear(name: str = "proj", inputs: int = 64, outputs: int = 32, **more: Any) -> Linear:
    return Linear(name=name, inputs=inputs, outputs=(Split(size=outputs),), **more)


def experts(**more: Any) -> Experts:
    return Experts(name="experts", num_experts=8, hidden_size=64, intermediate_size=32, top_k=2, **more)


def layer(*modules: Module, caches: tuple[Any, ...] = ()) -> Layer:
    return Layer(modules=modules, caches=caches)


def model(*runs: tuple[Layer, tuple[int, ...]], placed: tuple[Placed, ...] = (), **more: Any) -> ModelSpec:
    return ModelSpec(
        architecture="Test", dtype=BF16, hidden_size=64, vocab_size=100, num_attention_heads=4, max_model_len=64,
        derived_max_model_len=64, num_layers=sum(len(indices) for _, indices in runs),
        runs=tuple(LayerRun(layer=one, indices=indices) for one, indices in runs), placed=placed, **more,
    )  # fmt: skip


def loaded(spec: ModelSpec, quantization: Quantization | None = None, *, pp: int = 1) -> list[int]:
    ranks: tuple[RankWeights, ...] = rank_weights(resolve(spec, quantization), Parallelism(pp=pp), BF16)
    return [rank.weights_bytes for rank in ranks]


def test_a_scheme_is_asked_about_each_module_of_each_layer_by_name() -> None:
    scheme = Asked()
    fused = linear("attn.qkv_proj", sources=("attn.q_proj", "attn.k_proj"))
    head = Embedding(name="lm_head", rows=100, columns=64, lm_head=True)
    table = Embedding(name="embed_tokens", rows=100, columns=64)
    spec = model(
        (layer(fused, experts(), linear("gate", quantizable=False), Tensor(name="norm", shape=(64,))), (0, 1)),
        placed=(Placed(module=head, stage="last"), Placed(module=table, stage="first", prefix="model.")),
    )
    resolve(spec, scheme)
    found = [(one.name, one.parts, one.kind) for one in scheme.modules]
    assert found == [
        ("model.layers.0.attn.qkv_proj", ("model.layers.0.attn.q_proj", "model.layers.0.attn.k_proj"), "linear"),
        ("model.layers.1.attn.qkv_proj", ("model.layers.1.attn.q_proj", "model.layers.1.attn.k_proj"), "linear"),
        ("model.layers.0.experts", ("model.layers.0.experts",), "experts"),
        ("model.layers.1.experts", ("model.layers.1.experts",), "experts"),
        ("lm_head", ("lm_head",), "lm_head"),
    ]
    whole = Asked(embeddings=True)
    resolve(spec, whole)
    assert [one.name for one in whole.modules if one.kind == "embedding"] == ["model.embed_tokens"]


def test_layers_are_grouped_by_the_schemes_answer() -> None:
    scheme = Asked(ignored="layers.1.")
    spec = model((layer(linear()), (0, 1, 2)))
    modules = resolve(spec, scheme).modules
    assert [(one.format, one.indices) for one in modules] == [(EightBit(), (0, 2)), (None, (1,))]
    # 64 × 32: two of one byte, one of two
    assert loaded(spec, scheme) == [2 * 2048 + 2 * 2048]


def test_a_method_may_add_scales_to_each_attention_by_its_heads() -> None:
    scheme = Asked()
    scales = Tensor(name="self_attn.attn.kv_scales", shape=(4,), dtype="float32")
    plain = layer(scales, caches=(AttentionCache(kind="full_attention", num_kv_heads=3, head_size=8, head_size_v=8),))
    latent = layer(scales, caches=(LatentCache(kv_lora_rank=8, qk_rope_head_dim=8),))
    spec = model((plain, (0, 1)), (latent, (2,)))
    added = [one for one in resolve(spec, scheme).modules if one.module.name == "scale"]
    assert scheme.heads == [3, 0]
    assert [one.indices for one in added] == [(0, 1), (2,)]
    assert scheme.modules == []


def test_bytes_created_and_loaded_of_plain_modules() -> None:
    # 64 × 48 bf16 and a bias of 48; blocks of the allocator are 512 bytes
    assert module_bytes(linear(outputs=48, bias=True), None, ONE, BF16) == (6144 + 96, 6144 + 512)
    assert module_bytes(linear(outputs=48, bias=True, count=3), None, ONE, BF16) == (3 * 6240, 3 * 6656)
    assert module_bytes(Tensor(name="t", shape=(5, 5), count=2), None, ONE, BF16) == (100, 1024)
    # 100 rows are padded to 128; a bias has as many
    table = Embedding(name="e", rows=100, columns=64)
    biased = Embedding(name="e", rows=100, columns=64, bias=True)
    assert module_bytes(table, None, ONE, BF16) == (16384, 16384)
    assert module_bytes(biased, None, ONE, BF16) == (16384 + 256, 16384 + 512)
    wide = Embedding(name="e", rows=100, columns=64, bias=True, dtype="float32")
    assert module_bytes(wide, None, ONE, BF16) == (2 * 16384 + 512, 2 * 16384 + 512)
    halved = module_bytes(biased, None, Parallelism(tp=2), BF16)
    assert halved == (8192 + 128, 8192 + 512)


def test_experts_bring_a_map_only_where_they_are_shared_out() -> None:
    # 8 × (3 × 64 × 32) bf16; over 2 ranks half, and 4 bytes for each of the 8
    whole = 8 * 3 * 64 * 32 * 2
    assert module_bytes(experts(), None, ONE, BF16) == (whole, whole)
    assert module_bytes(experts(), None, Parallelism(ep=2), BF16) == (whole // 2 + 32, whole // 2 + 32)
    assert module_bytes(experts(count=3), None, Parallelism(ep=2), BF16) == (3 * (whole // 2 + 32),) * 2
    assert module_bytes(linear(), None, Parallelism(ep=2), BF16) == (4096, 4096)


def test_two_ranks_are_enough_to_share_experts_out() -> None:
    assert Parallelism.of(tp=2, pp=1, dp=1, expert_parallel=True) == Parallelism(tp=2, moe_tp=1, ep=2)
    assert Parallelism.of(tp=2, pp=1, dp=1, expert_parallel=False) == Parallelism(tp=2, moe_tp=2, ep=1)


def test_modules_that_are_only_registered_or_only_memory() -> None:
    view = Tensor(name="conv_weights", shape=(1024,), presence="registered")
    buffer = Tensor(name="topk", shape=(1024,), presence="loaded")
    assert module_bytes(view, None, ONE, BF16) == (2048, 0)
    assert module_bytes(buffer, None, ONE, BF16) == (0, 2048)
    assert module_bytes(linear(presence="loaded"), None, ONE, BF16) == (0, 4096)


def test_a_quantized_kv_b_exists_in_the_activation_dtype_too() -> None:
    # 64 × 32 in one byte, and again in bf16
    kv_b = linear(dequantized_copy=True, count=2)
    assert module_bytes(kv_b, EightBit(), ONE, BF16) == (2 * 2048, 2 * (2048 + 4096))
    assert module_bytes(kv_b, None, ONE, BF16) == (2 * 4096, 2 * 4096)
    assert module_bytes(linear(count=2), EightBit(), ONE, BF16) == (2 * 2048, 2 * 2048)
    assert module_bytes(kv_b, EightBit(), Parallelism(tp=2), BF16) == (2 * 1024, 2 * (1024 + 2048))


def test_sizes_that_contradict_each_other_are_a_broken_config() -> None:
    with pytest.raises(ConfigError, match="negative size"):
        module_bytes(linear(outputs=-1), None, ONE, BF16)

    class Odd(EightBit):
        def linear(self, shape: LocalLinear) -> tuple[StoredTensor, ...]:
            return (StoredTensor(name="weight", elements=512, dtype="int8", kept_bytes=-512),)

    with pytest.raises(ConfigError, match="negative size"):
        module_bytes(linear(), Odd(), ONE, BF16)


@pytest.mark.parametrize(
    ("stage", "held"),
    [
        ("first", [[1], [1, 0], [1, 0, 0]]),
        ("last", [[1], [0, 1], [0, 0, 1]]),
        ("ends", [[1], [1, 1], [1, 0, 1]]),  # tied embeddings
        ("every", [[1], [1, 1], [1, 1, 1]]),  # towers
        ("apart", [[0], [0, 1], [0, 0, 1]]),  # the last rank where it is not the first too
    ],
)
def test_pipeline_ranks_that_hold_a_placed_module(stage: Stage, held: list[list[int]]) -> None:
    norm = Tensor(name="norm", shape=(256,))  # 512 bytes
    spec = model((layer(), (0, 1, 2)), placed=(Placed(module=norm, stage=stage),))
    for pp, expected in enumerate(held, start=1):
        assert loaded(spec, pp=pp) == [512 * count for count in expected]


def test_a_shared_tensor_exists_once_on_each_rank_that_needs_it() -> None:
    rope = Tensor(name="rope", shape=(256,), shared="one")
    other = Tensor(name="rope", shape=(256,), shared="two")
    spec = model((layer(rope), (0, 1)), (layer(rope, other), (2, 3)))
    assert loaded(spec) == [1024]
    assert loaded(spec, pp=2) == [512, 1024]


def test_a_drafts_layers_sit_on_the_last_rank_with_its_own_tables_once() -> None:
    rope = Tensor(name="rope", shape=(256,), shared="draft")
    run = LayerRun(layer=layer(linear(count=2), rope), indices=(0, 1, 2))
    norm = Placed(module=Tensor(name="norm", shape=(256,)), stage="last")
    draft = Draft(runs=(run,), placed=(norm,))
    spec = model((layer(), (0, 1)), draft=draft)
    # 3 layers × 2 × 4096, one table, one norm
    assert loaded(spec, pp=2) == [0, 3 * 2 * 4096 + 512 + 512]
    # the target's scheme stores it where it is one of the target's own prediction layers
    assert loaded(spec, Asked(), pp=2) == [0, 3 * 2 * 2048 + 512 + 512]
    apart = model((layer(), (0, 1)), draft=Draft(runs=(run,), placed=(norm,), target_quantization=False))
    assert loaded(apart, Asked(), pp=2) == [0, 3 * 2 * 4096 + 512 + 512]


@pytest.mark.parametrize(
    ("layers", "pp", "counts"),
    [
        # vLLM 0.32.0 `distributed/utils.py:get_pp_indices`: what is left over goes to the ranks before the last, backwards
        (8, 4, [2, 2, 2, 2]),
        (9, 4, [2, 2, 3, 2]),
        (10, 4, [2, 3, 3, 2]),
        (11, 4, [3, 3, 3, 2]),
        (5, 2, [3, 2]),
        (1, 1, [1]),
        (0, 1, [0]),
    ],
)
def test_layers_of_pipeline_ranks(layers: int, pp: int, counts: list[int]) -> None:
    stages = pipeline_layers(layers, pp)
    assert [len(stage) for stage in stages] == counts
    assert [index for stage in stages for index in stage] == list(range(layers))


def test_a_model_without_layers_has_one_rank() -> None:
    with pytest.raises(InputError, match="more than the model's 0 layers"):
        pipeline_layers(0, 2)


def test_parameters_are_elements_of_the_whole_model() -> None:
    def count(module: Module, **more: Any) -> int:
        return parameter_count(model((layer(module), (0,)), **more))

    assert count(linear(bias=True, count=3)) == 3 * (64 * 32 + 32)
    assert count(linear(presence="loaded")) == count(Tensor(name="t", shape=(9,), presence="registered")) == 0
    assert count(Tensor(name="t", shape=(3, 4), count=2)) == 24
    assert count(Tensor(name="t", shape=(3, 4), buffer=True)) == 0
    assert count(Tensor(name="t", shape=(3, 4), sharded_units=4)) == 12
    # an embedding is not padded: 100 rows of 64, and a bias of one per row
    assert count(Embedding(name="e", rows=100, columns=64)) == 6400
    assert count(Embedding(name="e", rows=100, columns=64, bias=True, count=2)) == 2 * 100 * 65
    # 8 experts: gate and up and down of 64 × 32, biases of 32, 32 and 64
    assert count(experts()) == 8 * 3 * 64 * 32
    assert count(experts(gated=False)) == 8 * 2 * 64 * 32
    assert count(experts(bias=True)) == 8 * (3 * 64 * 32 + 2 * 32 + 64)
    assert count(experts(bias=True, gated=False, count=2)) == 2 * 8 * (2 * 64 * 32 + 32 + 64)
    assert count(linear(), parameters=12345) == 12345


def test_parameters_are_counted_per_layer_and_with_what_is_placed() -> None:
    spec = model((layer(linear()), (0, 1, 2)), placed=(Placed(module=Tensor(name="n", shape=(5,)), stage="every"),))
    assert parameter_count(spec) == 3 * 2048 + 5
