"""Figures to the byte: a constant or an operator of the overhead arithmetic that changes is noticed (docs/explanation/mutation.md)."""

from __future__ import annotations

from fractions import Fraction

import pytest

from vram.estimate.memory.activations import activation_peak, forward_peak, passing_peak
from vram.estimate.memory.graphs import graph_memory
from vram.estimate.memory.moe_workspace import moe_passing_bytes, moe_workspace_bytes
from vram.estimate.memory.sampling import sampler_peak, sampler_state_bytes
from vram.estimate.memory.shapes import ExpertShapes
from vram.estimate.memory.towers import tower_memory
from vram.estimate.weights.lora import _elements
from vram.estimate.weights.ranks import Parallelism, module_bytes
from vram.models.parameters import Experts, Linear, Split, Tensor
from vram.models.spec import Encoder
from vram.units import GIB, MIB


def experts(**changes: object) -> Experts:
    return Experts(name="experts", num_experts=8, hidden_size=512, intermediate_size=256, top_k=2, **changes)


def test_graphs_of_one_of_several_pipeline_ranks(make_run):
    # 0.03 GiB + 0.417 GiB + 5.4 MiB × 32 layers / 2 ranks at 51 + 51 captured sizes
    expected = Fraction("0.03") * GIB + Fraction("0.417") * GIB + Fraction("5.4") * MIB * 32 / 2
    assert graph_memory(make_run(pp=2)).captured.expected == pytest.approx(float(expected), abs=2)


def test_sampler_state_of_the_v2_runner(make_run):
    # 4 requests of 100 words: penalties 100 × 4 bytes and two bit masks of ceil(100 / 8) bytes; bias and bad words
    # 4 × 1024 × 4 + 129 × 4; two block tables of ceil(4097 / 16) = 257 columns rounded to 384, 4 bytes each
    run = make_run(v2_runner=True, max_num_seqs=4, max_model_len=4097, shapes={"vocabulary": 100})
    assert sampler_state_bytes(run) == 4 * (100 * 4 + 2 * 13) + 4 * (4 * 1024 * 4 + 129 * 4) + 2 * 4 * 384 * 4
    assert sampler_state_bytes(make_run()) == 0


def test_speculative_sampling_holds_six_bytes_per_draft_logit(make_run):
    plain, drafted = sampler_peak(make_run(rows=64)), sampler_peak(make_run(rows=64, speculative_tokens=3))
    assert drafted.expected - plain.expected == 6 * 64 * 128256
    assert sampler_peak(make_run(rows=64, version=(0, 25, 0))).expected < plain.expected  # no scratch since 0.22


@pytest.mark.parametrize(
    ("version", "rows"), [((0, 11, 2), 32768), ((0, 12, 0), 16384), ((0, 17, 1), 16384), ((0, 19, 0), 100_000)]
)
def test_rows_of_one_call_of_the_expert_kernel(make_run, version, rows):
    # (tokens, top_k 2, max(I 256, H 512)) and (tokens, top_k 2, max(2·I 512, H 512)) at 2 bytes; chunked to 0.17
    module = ExpertShapes(local=experts().local(1, 1, "bfloat16"), kernel="")
    run = make_run(version=version, tokens=100_000, shapes={"experts": (module,)})
    assert moe_workspace_bytes(run) == rows * 2 * (512 + 512) * 2
    assert moe_passing_bytes(run) == 0


def test_block_fp8_experts_bring_their_own_buffers_on_blackwell(make_run):
    module = ExpertShapes(local=experts().local(1, 1, "bfloat16"), kernel="fp8_block")
    run = make_run(capability=(10, 0), tokens=1000, shapes={"experts": (module,)})
    assert moe_workspace_bytes(run) == 0
    assert moe_passing_bytes(run) == 1000 * 2 * (2 * 256 + 256 + 512) * 2
    assert moe_workspace_bytes(make_run(capability=(9, 0), tokens=1000, shapes={"experts": (module,)})) > 0


def test_a_dense_models_forward_leaves_no_byte_behind(make_run):
    run = make_run()
    assert passing_peak(run) == forward_peak(run)


def test_lora_slots_of_experts_and_linears():
    # rank 16: three matrices of (H + I) per expert, two where nothing gates; a fused linear has A and B per part
    one = Parallelism()
    assert _elements(experts(), one, 16, False) == 8 * 16 * 3 * (512 + 256)
    assert _elements(experts(gated=False), one, 16, False) == 8 * 16 * 2 * (512 + 256)
    fused = Linear(name="qkv", inputs=64, outputs=(Split(size=32), Split(size=16)))
    assert _elements(fused, one, 16, False) == 16 * ((64 + 32) + (64 + 16))


def test_fully_sharded_slots_are_divided_on_the_side_that_is_whole_otherwise():
    # column-parallel: the rank of A; row-parallel: the outputs of B; experts: the rank before w13, the hidden size behind w2
    two = Parallelism(tp=2, moe_tp=2)
    column = Linear(name="up", inputs=64, outputs=(Split(size=32),), parallel="column")
    row = Linear(name="down", inputs=64, outputs=(Split(size=32),), parallel="row")
    assert _elements(column, two, 16, True) == 8 * 64 + 16 * 16
    assert _elements(row, two, 16, True) == 16 * 32 + 16 * 16
    assert _elements(experts(), two, 16, True) == 8 * (2 * (8 * 256 + 16 * 256) + 16 * 256 + 16 * 128) * 1


def test_one_rank_is_the_default_and_shares_no_expert():
    assert Parallelism() == Parallelism.of(tp=1, pp=1, dp=1, expert_parallel=False)
    assert Parallelism.of(tp=1, pp=1, dp=1, expert_parallel=True) == Parallelism()
    assert Parallelism.of(tp=2, pp=1, dp=2, expert_parallel=True) == Parallelism(tp=2, pp=1, moe_tp=1, ep=4)
    assert Parallelism.of(tp=2, pp=3, dp=2, expert_parallel=False) == Parallelism(tp=2, pp=3, moe_tp=4, ep=1)


def test_an_expert_map_comes_with_expert_parallelism():
    # 8 experts over 4 ranks: 2 × (3 × 512 × 256) bfloat16 weights and one int32 per global expert
    created, _ = module_bytes(experts(), None, Parallelism(tp=4, ep=4), "bfloat16")
    assert created == 2 * 3 * 512 * 256 * 2 + 4 * 8


def test_a_module_without_elements_is_no_error():
    assert module_bytes(Tensor(name="empty", shape=(0,)), None, Parallelism(), "bfloat16") == (0, 0)


def test_what_a_tower_keeps_comes_on_top_of_the_forward(make_run):
    tower = Encoder(modality="image", max_item_tokens=64, patches=256, width=128, mlp_width=256, heads=2)
    plain, seeing = make_run(), make_run(encoders=(tower,))
    kept = tower_memory(seeing).kept
    assert kept > 0
    assert tower_memory(seeing).peak < forward_peak(seeing).expected  # the text's pass stays the larger one
    assert activation_peak(seeing).expected - activation_peak(plain).expected == kept


def test_latent_attention_projects_a_whole_workspace(make_run):
    # 65536 tokens × 4000 features instead of the MLP's 8192 × 3 × 14336; factor 5.5 × 4096 hidden × 8192 tokens
    run = make_run(shapes={"latent_width": 8000})
    assert forward_peak(run).expected == 2 * (int(5.5 * 4096 * 8192) + 65536 * 8000)
    assert forward_peak(make_run(v0_engine=True, shapes={"latent_width": 8000})) == forward_peak(
        make_run(v0_engine=True)
    )
