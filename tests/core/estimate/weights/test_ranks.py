"""Bytes of parameters per rank, from shapes worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vram
from vram.architecture import decoder, dimensions, gated_mlp, gqa, layer, norms, runs_by_kind
from vram.errors import InputError, ParallelismError
from vram.estimate.weights.parameters import parameter_count, unpadded_bytes
from vram.estimate.weights.ranks import Parallelism, pipeline_layers, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.adapter import BuildContext
from vram.models.config import ModelConfig
from vram.models.deployment import EngineArgs
from vram.models.spec import ModelSpec


def tiny(*, layers: int = 4, tie: bool = False, heads: int = 4, kv_heads: int = 2) -> ModelSpec:
    """A decoder of width 64 with heads of 16, an MLP of 128 and 1000 tokens."""
    config = ModelConfig(
        raw={
            "architectures": ["Tiny"], "hidden_size": 64, "num_hidden_layers": layers, "num_attention_heads": heads,
            "num_key_value_heads": kv_heads, "head_dim": 16, "intermediate_size": 128, "vocab_size": 1000,
            "max_position_embeddings": 32, "rope_theta": 1e4, "torch_dtype": "bfloat16", "tie_word_embeddings": tie,
        }
    )  # fmt: skip
    dims = dimensions(config)
    one = layer(
        gqa(hidden_size=64, num_heads=heads, num_kv_heads=kv_heads, head_dim=16),
        gated_mlp(hidden_size=64, intermediate_size=128),
        norms(64),
    )
    return decoder(config, dims, runs=runs_by_kind([0] * layers, lambda _: one), context=BuildContext())


def ranks(spec: ModelSpec, *, tp: int = 1, pp: int = 1) -> list[int]:
    parallel = Parallelism.of(tp=tp, pp=pp, dp=1, expert_parallel=False)
    return [rank.parameter_bytes for rank in rank_weights(resolve(spec, None), parallel, "bfloat16")]


# one layer: qkv (64 + 32 + 32)·64 = 8192, o 64·64 = 4096, gate_up 256·64 = 16384, down 64·128 = 8192, norms 128
LAYER = 2 * (8192 + 4096 + 16384 + 8192 + 128) + 16  # bf16, and four fp32 KV scales
EMBEDDING = 2 * 1024 * 64  # 1000 rows are padded to 1024
ROPE = 2 * 32 * 16
NORM = 2 * 64


def test_one_rank_holds_layers_two_embeddings_a_norm_and_one_rotary_table() -> None:
    assert ranks(tiny()) == [4 * LAYER + 2 * EMBEDDING + ROPE + NORM]


def test_tied_embeddings_exist_once_on_one_rank_and_on_both_ends_of_a_pipeline() -> None:
    spec = tiny(tie=True)
    assert ranks(spec) == [4 * LAYER + EMBEDDING + ROPE + NORM]
    assert ranks(spec, pp=2) == [2 * LAYER + EMBEDDING + ROPE, 2 * LAYER + EMBEDDING + ROPE + NORM]


def test_more_ranks_than_kv_heads_replicate_them() -> None:
    # TP 4: q 16 of 64 rows, k and v one whole head (16) each instead of half of one
    layer_bytes = 2 * ((16 + 16 + 16) * 64 + 64 * 16 + 64 * 64 + 64 * 32 + 128) + 16
    assert ranks(tiny(), tp=4) == [4 * layer_bytes + 2 * EMBEDDING // 4 + ROPE + NORM]


def test_a_tensor_parallel_size_that_does_not_divide_is_refused_with_its_reason() -> None:
    with pytest.raises(ParallelismError, match="cannot be divided over tensor_parallel_size=3"):
        ranks(tiny(), tp=3)


def test_left_over_layers_go_to_the_ranks_before_the_last() -> None:
    # vLLM 0.32.0 distributed/utils.py: 7 layers over 3 ranks are 2, 3, 2
    assert [len(stage) for stage in pipeline_layers(7, 3)] == [2, 3, 2]


def test_more_pipeline_ranks_than_layers_are_refused() -> None:
    with pytest.raises(InputError, match="more than the model's 4 layers"):
        pipeline_layers(4, 5)


def test_parameters_are_counted_without_buffers_and_padding() -> None:
    assert parameter_count(tiny()) == 4 * (8192 + 4096 + 16384 + 8192 + 128) + 2 * 1000 * 64 + 64


def test_bytes_by_number_and_width_alone() -> None:
    # two bytes a parameter: no padded rows, no KV scales, no rotary table
    assert unpadded_bytes(resolve(tiny(), None), "bfloat16") == 2 * parameter_count(tiny())


@given(layers=st.integers(1, 9), tp=st.sampled_from([1, 2, 4]))
def test_tensor_parallel_ranks_together_hold_at_least_the_whole(layers: int, tp: int) -> None:
    spec = tiny(layers=layers)
    assert tp * ranks(spec, tp=tp)[0] >= ranks(spec)[0]


@given(layers=st.integers(2, 9), pp=st.integers(1, 2))
def test_pipeline_ranks_together_hold_the_whole_and_their_rotary_tables(layers: int, pp: int) -> None:
    spec = tiny(layers=layers)
    assert sum(ranks(spec, pp=pp)) == ranks(spec)[0] + (pp - 1) * ROPE


def test_experts_are_divided_by_width_without_expert_parallelism_and_by_number_with_it() -> None:
    width = Parallelism.of(tp=2, pp=1, dp=2, expert_parallel=False)
    number = Parallelism.of(tp=2, pp=1, dp=2, expert_parallel=True)
    assert (width.moe_tp, width.ep) == (4, 1)
    assert (number.moe_tp, number.ep) == (1, 4)


def test_expert_parallelism_spans_data_prefill_context_and_tensor_ranks() -> None:
    # vLLM 0.33.0 `fused_moe/config.py:flatten_tp_across_dp_and_pcp`: dp · pcp · tp
    args = EngineArgs(
        tensor_parallel_size=2, data_parallel_size=2, prefill_context_parallel_size=4, enable_expert_parallel=True
    )
    assert Parallelism.of_args(args).ep == 16


def test_a_quantized_tower_that_does_not_divide_says_what_helps(tmp_path: Path) -> None:
    # 0.33.0's wheel: 'Weight input_size_per_partition = 576 is not divisible by weight quantization block_k = 128.'
    shared = Path(__file__).parents[5] / "shared" / "model_configs" / "Qwen--Qwen3.6-27B"
    if not shared.exists():
        pytest.skip("needs ../shared")
    config = json.loads((shared / "config.json").read_text())
    config["quantization_config"] = {
        "quant_method": "fp8",
        "activation_scheme": "dynamic",
        "weight_block_size": [128, 128],
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    asked = {"gpu": "R9700", "tensor_parallel_size": 2, "max_model_len": 2048}
    with pytest.raises(
        ParallelismError, match=r"visual.*: 9 cannot .* \(--mm-encoder-tp-mode data\) .*--language-model-only"
    ):
        vram.estimate(tmp_path, **asked)
    for helps in ({"mm_encoder_tp_mode": "data"}, {"language_model_only": True}):
        assert vram.estimate(tmp_path, **asked, **helps).verdict.starts
