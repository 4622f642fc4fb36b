"""Recurrent blocks; numbers by hand from the formulas in their docstrings."""

import pytest

from vram.architecture.linear_state import kda
from vram.architecture.state import gated_delta_net, mamba1, mamba2, short_conv
from vram.errors import ParallelismError
from vram.estimate.weights.ranks import Parallelism, module_bytes

MAMBA2 = {
    "hidden_size": 4096,
    "intermediate_size": 8192,
    "num_heads": 128,
    "head_dim": 64,
    "state_size": 128,
    "n_groups": 8,
    "conv_kernel": 4,
}


def named(part, ending):
    return next(module for module in part.modules if module.name.endswith(ending))


def rows(part, tp, tensor=0):
    (state,) = part.caches
    return sum(split.local(tp, name="state") for split in state.tensors[tensor].rows)


def test_mamba2_shares_heads_and_groups_out():
    part = mamba2(**MAMBA2)

    # 2·I + 2·G·N + heads, each over 4 ranks
    assert named(part, "in_proj").local(4, "bfloat16").rows == (2 * 8192 + 2 * 8 * 128 + 128) // 4
    assert rows(part, 4) == (8192 + 2 * 8 * 128) // 4


def test_mamba2_repeats_a_single_group_on_every_rank():
    part = mamba2(**{**MAMBA2, "n_groups": 1})

    assert rows(part, 4) == 8192 // 4 + 2 * 128


def test_mamba2_refuses_groups_that_do_not_divide():
    with pytest.raises(ParallelismError):
        rows(mamba2(**{**MAMBA2, "n_groups": 3}), 2)


def test_the_registered_view_of_the_convolution_takes_no_memory():
    view = named(mamba2(**MAMBA2), "conv_weights")

    created, loaded = module_bytes(view, None, Parallelism(), "bfloat16")

    assert (created, loaded) == ((8192 + 2 * 8 * 128) * 4 * 2, 0)


def test_mamba2_state_matrix_is_heads_by_dim_by_state():
    (state,) = mamba2(**MAMBA2).caches

    assert (rows(mamba2(**MAMBA2), 2, tensor=1), state.tensors[1].columns) == (64, 64 * 128)


def test_mamba1_is_never_quantized():
    part = mamba1(hidden_size=1024, intermediate_size=2048, state_size=16, conv_kernel=4, time_step_rank=64)

    assert not any(getattr(module, "quantizable", False) for module in part.modules)


def test_a_delta_net_keeps_its_small_projection_whole_for_marlin():
    shape = {
        "hidden_size": 2048, "num_k_heads": 16, "num_v_heads": 32, "head_k_dim": 128, "head_v_dim": 128, "conv_kernel": 4
    }  # fmt: skip

    split = named(gated_delta_net(**shape), "in_proj_ba").local(4, "bfloat16")
    whole = named(gated_delta_net(**shape, replicated_ba=True), "in_proj_ba").local(4, "bfloat16")

    assert (split.rows, whole.rows) == (2 * 32 // 4, 2 * 32)


def test_delta_attention_pads_its_packed_projection_to_16_rows_per_rank():
    part = kda(hidden_size=1024, num_heads=8, head_dim=128, conv_kernel=4, tensor_parallel_size=8, full_rank_gate=True)

    # 4 · 1024 / 8 + 128 + 1 = 641, padded to 656
    assert named(part, "in_proj_qkvgfab").local(8, "bfloat16").rows == 656


def test_a_short_convolution_keeps_kernel_minus_one_columns():
    (state,) = short_conv(dim=2048, conv_kernel=3).caches

    assert (state.tensors[0].columns, state.tensors[0].grows_with_speculation) == (2, True)
