"""What a forward pass moves and computes, against counts made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vram.advise.speed import speed_of
from vram.advise.work import Attention, ExpertMatrices, ModelWork
from vram.ask.asking import ask
from vram.estimate.parts import compute

#: one layer of LLAMA_8B: qkv 4096×6144, o 4096×4096, gate and up 4096×28672, down 14336×4096
_LAYER = 4096 * 6144 + 4096 * 4096 + 4096 * 28672 + 14336 * 4096

MOE = {
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe", "hidden_size": 2048, "num_hidden_layers": 48,
    "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144, "num_experts": 128,
    "num_experts_per_tok": 8, "moe_intermediate_size": 768, "vocab_size": 151936, "decoder_sparse_step": 1,
    "mlp_only_layers": [], "norm_topk_prob": True,
}  # fmt: skip


def work(folder: Path, gpu: str = "H100", **arguments: object) -> ModelWork:
    return speed_of(compute(ask(folder, gpu=gpu, **arguments))).work


def active_flops(work: ModelWork) -> float:
    """Operations of one token in all matrices but the LM head."""
    routed = sum(e.flops * e.layers * e.top_k * e.experts / e.global_experts for e in work.experts)
    return sum(m.flops for m in work.matrices) + routed


def test_a_dense_model_reads_every_weight_and_multiplies_it_once(model_folder: Callable[..., Path]) -> None:
    found = work(model_folder())
    (matrices,) = found.matrices
    assert matrices.arithmetic == "16"
    assert matrices.elements == 32 * _LAYER
    assert matrices.bytes == 2 * 32 * _LAYER
    assert matrices.flops == active_flops(found) == 2 * 32 * _LAYER
    assert found.head.bytes == 2 * 128256 * 4096
    assert found.all_reduces == 0


def test_cached_bytes_per_token_are_those_of_the_kv_cache(model_folder: Callable[..., Path]) -> None:
    # 32 layers × 8 heads × (128 + 128) × 2 bytes; 32 query heads × (128 + 128) × 2 operations per pair
    (attention,) = work(model_folder()).attention
    assert attention.bytes == 32 * 8 * 256 * 2
    assert attention.flops == 32 * 32 * 256 * 2


def test_tensor_parallelism_divides_the_work_and_adds_two_all_reduces_per_layer(
    model_folder: Callable[..., Path],
) -> None:
    found = work(model_folder(), tensor_parallel_size=8)
    assert found.matrices[0].flops == 2 * 32 * _LAYER / 8
    assert found.attention[0].bytes == 32 * 256 * 2
    assert found.all_reduces == 2 * 32 + 1  # one more after the embedding
    assert found.reduced_width == 4096 * 2


def test_a_pipeline_is_counted_whole(model_folder: Callable[..., Path]) -> None:
    assert active_flops(work(model_folder(), pipeline_parallel_size=4)) == 2 * 32 * _LAYER


def test_tied_embeddings_are_the_head(model_folder: Callable[..., Path]) -> None:
    assert work(model_folder(tie_word_embeddings=True)).head.bytes == 2 * 128256 * 4096


def test_a_quantized_kv_cache_halves_its_reads(model_folder: Callable[..., Path]) -> None:
    assert work(model_folder(), kv_cache_dtype="fp8").attention[0].bytes == 32 * 8 * 256


@pytest.mark.parametrize(
    ("block", "arithmetic"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}, "packed"),
        ({"quant_method": "fp8", "activation_scheme": "dynamic"}, "fp8"),
    ],
)
def test_the_format_says_what_is_multiplied(
    model_folder: Callable[..., Path], block: dict[str, object], arithmetic: str
) -> None:
    (matrices,) = work(model_folder(quantization_config=block)).matrices
    assert matrices.arithmetic == arithmetic
    assert matrices.elements == 32 * _LAYER
    assert matrices.bytes < 2 * 32 * _LAYER


def test_experts_are_counted_apart_and_one_token_uses_top_k_of_them(model_folder: Callable[..., Path]) -> None:
    found = work(model_folder(**MOE))
    (experts,) = found.experts
    each = 3 * 2048 * 768
    assert (experts.layers, experts.experts, experts.top_k) == (48, 128, 8)
    assert (experts.elements, experts.bytes, experts.flops) == (each, 2 * each, 2 * each)
    # attention and router (2048 × 128) beside 8 experts per layer
    dense = 2048 * (32 + 8) * 128 + 32 * 128 * 2048 + 2048 * 128
    assert active_flops(found) == 2 * 48 * (dense + 8 * each)


def test_expert_parallelism_leaves_each_rank_its_share(model_folder: Callable[..., Path]) -> None:
    (experts,) = work(model_folder(**MOE), tensor_parallel_size=4, enable_expert_parallel=True).experts
    assert (experts.experts, experts.global_experts) == (32, 128)
    assert experts.elements == 3 * 2048 * 768


def test_a_batch_touches_more_experts_but_never_more_than_there_are() -> None:
    experts = ExpertMatrices(
        arithmetic="16", layers=1, experts=128, global_experts=128, top_k=8, bytes=1, elements=1, flops=1
    )
    assert experts.touched(1) == pytest.approx(8)
    assert experts.touched(4) == pytest.approx(128 * (1 - (15 / 16) ** 4))
    assert experts.touched(10_000) == pytest.approx(128)


def test_a_window_ends_what_attention_sees() -> None:
    window = Attention(window=100)
    assert window.seen(50) == 50
    assert window.seen(500) == 100
    # the first 100 positions see 50 on average, the next 100 see 100
    assert window.seen_on_average(0, 200) == pytest.approx(75)
    assert Attention().seen_on_average(0, 200) == pytest.approx(100)
    assert Attention(per_state=4).seen(400) == 100
