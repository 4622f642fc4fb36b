"""Memory outside PyTorch."""

from __future__ import annotations

import pytest

from vram.estimate.memory.nontorch import non_torch_memory
from vram.estimate.memory.sampling import sampler_state_bytes
from vram.units import GIB


def test_tensor_parallel_hopper_makes_the_fused_all_reduce_workspace(make_run):
    # logged under 0.19 on H100: 2.07 GiB over 2 GPUs, 2.13-2.21 over 4; the offset here is the fallback's 0.12
    two = non_torch_memory(make_run(tp=2)).expected
    assert two / GIB == pytest.approx(0.12 + 1.71 + 2 * 0.058, abs=0.001)
    for without in ({"eager": True}, {"dp": 2}, {"pp": 2}, {"capability": (8, 0)}, {"version": (0, 16, 0)}):
        assert non_torch_memory(make_run(tp=2, **without)).expected < GIB


def test_sampler_state_is_charged_since_0_27(make_run):
    before = non_torch_memory(make_run(version=(0, 26, 0), v2_runner=True)).expected
    run = make_run(version=(0, 27, 0), v2_runner=True)
    assert before < GIB // 2
    assert non_torch_memory(run).expected - sampler_state_bytes(run) == int(0.8 * GIB)
