"""Memory outside PyTorch."""

from __future__ import annotations

import math

import pytest

from vram.estimate.memory.nontorch import non_torch_memory
from vram.estimate.memory.sampling import sampler_state_bytes
from vram.units import GIB, MIB
from vram.vllm.capture import GraphChoice


def test_tensor_parallel_hopper_makes_the_fused_all_reduce_workspace(make_run):
    # logged under 0.19 on H100: 2.07 GiB over 2 GPUs, 2.13-2.21 over 4; the offset here is the fallback's 0.12
    two = non_torch_memory(make_run(tp=2)).expected
    assert two / GIB == pytest.approx(0.12 + 1.71 + 2 * 0.058, abs=0.001)
    for without in (
        {"graphs": GraphChoice(compiled=False)},
        {"dp": 2},
        {"pp": 2},
        {"capability": (8, 0)},
        {"version": (0, 16, 0)},
    ):
        assert non_torch_memory(make_run(tp=2, **without)).expected < GIB


def test_sampler_state_is_charged_since_0_27(make_run):
    before = non_torch_memory(make_run(version=(0, 26, 0), v2_runner=True)).expected
    run = make_run(version=(0, 27, 0), v2_runner=True)
    assert before < GIB // 2
    assert non_torch_memory(run).expected - sampler_state_bytes(run) == int(0.16 * GIB)


def test_parts_vary_on_their_own(make_run):
    # 0.19 over 2 GPUs: 0.12 (0 to 0.4) + 1.71 (1.4 to 2.0) + 2 × 0.058 (0.03 to 0.09) GiB, distances as squares
    memory = non_torch_memory(make_run(tp=2))
    below = math.sqrt(0.12**2 + 0.31**2 + (2 * 0.028) ** 2)
    above = math.sqrt(0.28**2 + 0.29**2 + (2 * 0.032) ** 2)
    assert (memory.expected - memory.low) / GIB == pytest.approx(below, abs=1e-6)
    assert (memory.high - memory.expected) / GIB == pytest.approx(above, abs=1e-6)


def test_one_gpu_has_no_communicators(make_run):
    one = non_torch_memory(make_run())
    assert one.expected == int(0.12 * GIB)
    assert one.low == 0
    assert one.high == pytest.approx(0.4 * GIB, abs=2)


def test_without_fusion_channels_grow_by_rank(make_run):
    # A100s under 0.19: 0.12 + 0.06 + 4 × 0.01 GiB
    memory = non_torch_memory(make_run(tp=4, capability=(8, 0)))
    assert memory.expected / GIB == pytest.approx(0.12 + 0.06 + 4 * 0.01, abs=1e-6)


def test_v1_of_0_8_and_0_9_0_pays_for_cudas_context_too(make_run):
    # gpu_worker.py:determine_available_memory (0.8.5, 0.9.0): all that is in use; since 0.9.1 what came after a first reading
    def outside(version, **change):
        return non_torch_memory(make_run(version=version, capability=(8, 6), **change)).expected

    assert outside((0, 8, 5)) - outside((0, 9, 1)) == outside((0, 9, 0)) - outside((0, 9, 1)) == GIB // 2
    assert outside((0, 8, 5), v0_engine=True) == outside((0, 7, 3), v0_engine=True) == outside((0, 9, 1))


def test_the_fused_workspace_comes_in_granules_of_half_a_gib(make_run):
    # trtllm_ar.py: ranks × size and 3 × ranks × size, each at least 512 MiB. 10.3 reduces 64 MiB over 4 ranks: 256 and 768 MiB
    def outside(capability, **change):
        return non_torch_memory(make_run(tp=4, capability=capability, version=(0, 21, 0), **change)).expected

    wide = {"shapes": {"hidden": 8192}}  # 8,192 tokens × 8,192 × 2 bytes are 128 MiB
    assert outside((10, 3), **wide) - outside((10, 0), **wide) == 512 * MIB
    assert outside((10, 3), tokens=1024, **wide) == outside((10, 0), tokens=1024, **wide)  # 16 MiB, no batch is larger
