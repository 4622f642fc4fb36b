"""One step's time, with round numbers."""

from __future__ import annotations

import pytest
from attrs import evolve

from vram.advise.machine import Machine
from vram.advise.roofline import Batch, step_time
from vram.advise.work import Attention, ExpertMatrices, Matrices, ModelWork

#: 10¹² bytes/s, 10¹⁵ operations/s at 16 bit, no latency anywhere
MACHINE = Machine(
    bandwidth=1e12, bandwidth_low=1e12, rates={"16": 1e15, "fp8": 2e15}, unpack=1e12, packed=1.0, packed_rate=1e15,
    attention_rate=1e15, moe=1.0, moe_rows=0.0, moe_spread=1.0, ranks=1, replicas=1, reduce_bandwidth=1e11, reduce_latency=1e-5,
    kernel_seconds=0.0, launch_seconds=0.0, step_seconds=0.0, request_seconds=0.0, client_seconds=0.0, token_seconds=0.0,
    offload_seconds=0.0,
)  # fmt: skip
NOTHING = Matrices(arithmetic="16", bytes=0.0, elements=0.0, flops=0.0)
#: 10 GB of weights
WORK = ModelWork(
    matrices=(Matrices(arithmetic="16", bytes=1e10, elements=5e9, flops=1e10),), experts=(), attention=(), head=NOTHING,
    vocabulary=0, activation_bytes=0.0, kernels=100, all_reduces=10, reduced_width=8192, layers=5,
)  # fmt: skip


def test_a_small_batch_takes_as_long_as_reading_the_weights() -> None:
    step = step_time(WORK, MACHINE, Batch(requests=1, context=0))
    assert step.memory == pytest.approx(10e-3)
    assert step.compute == pytest.approx(10e-6)
    assert step.total == pytest.approx(10e-3)


def test_a_large_batch_takes_as_long_as_computing() -> None:
    step = step_time(WORK, MACHINE, Batch(requests=0, context=0, chunk=100_000))
    assert step.compute == pytest.approx(1.0)
    assert step.total == pytest.approx(1.0, rel=1e-3)


def test_between_them_both_overlap_in_part() -> None:
    # 1000 tokens: 10 ms of either; the cube root of 2 times one
    step = step_time(WORK, MACHINE, Batch(requests=1000, context=0))
    assert step.total == pytest.approx(10e-3 * 2 ** (1 / 3))


def test_weights_without_units_of_their_own_are_expanded_to_16_bit() -> None:
    packed = evolve(WORK, matrices=(Matrices(arithmetic="packed", bytes=2.5e9, elements=5e9, flops=1e10),))
    # 2.5 GB would be read in 2.5 ms, but 5·10⁹ weights are expanded in 5 ms
    assert step_time(packed, MACHINE, Batch(requests=1, context=0)).memory == pytest.approx(5e-3)
    fp8 = evolve(WORK, matrices=(Matrices(arithmetic="fp8", bytes=5e9, elements=5e9, flops=1e10),))
    assert step_time(fp8, MACHINE, Batch(requests=1, context=0)).memory == pytest.approx(5e-3)
    assert step_time(fp8, MACHINE, Batch(requests=2000, context=0)).compute == pytest.approx(10e-3)


def test_every_request_reads_its_own_cache() -> None:
    cached = evolve(WORK, matrices=(), attention=(Attention(bytes=1e5, flops=1e6),))
    # 8 requests × 1000 tokens × 100 kB
    assert step_time(cached, MACHINE, Batch(requests=8, context=1000)).memory == pytest.approx(0.8e-3)


def test_a_recurrent_state_costs_the_same_at_any_length() -> None:
    state = evolve(WORK, matrices=(), attention=(Attention(fixed_bytes=1e6, token_flops=1.0),))
    short, long = (step_time(state, MACHINE, Batch(requests=4, context=c)).total for c in (10, 100_000))
    assert short == long == pytest.approx(4e-6, rel=1e-3)


def test_prefill_attends_to_half_of_the_prompt_on_average() -> None:
    cached = evolve(WORK, matrices=(), attention=(Attention(prefill_flops=1e6),))
    step = step_time(cached, MACHINE, Batch(requests=0, context=0, chunk=2000, prompt=2000))
    assert step.compute == pytest.approx(2000 * 1000 * 1e6 / 1e15)


def test_all_reduces_cost_latency_and_bandwidth() -> None:
    machine = evolve(MACHINE, ranks=4)
    step = step_time(WORK, machine, Batch(requests=100, context=0))
    # 10 all-reduces of 100 × 8192 bytes, 1.5 times over each link, and 10 µs each
    assert step.communication == pytest.approx(10 * (1e-5 + 100 * 8192 * 1.5 / 1e11))


def test_kernels_steps_and_requests_have_a_time_of_their_own() -> None:
    machine = evolve(MACHINE, kernel_seconds=1e-6, step_seconds=1e-3, request_seconds=1e-5)
    assert step_time(WORK, machine, Batch(requests=50, context=0)).latency == pytest.approx(1e-4 + 1e-3 + 5e-4)


def test_scheduling_ahead_hides_the_host_behind_the_gpu() -> None:
    behind = evolve(MACHINE, step_seconds=5e-3)
    ahead = evolve(behind, overlapped=True)
    # 10 ms of weights and 5 ms of Python: one after the other, or (10³ + 5³)^(1/3)
    assert step_time(WORK, behind, Batch(requests=1, context=0)).total == pytest.approx(15e-3)
    assert step_time(WORK, ahead, Batch(requests=1, context=0)).total == pytest.approx(1125 ** (1 / 3) * 1e-3)


def test_a_step_larger_than_any_graph_waits_for_python_to_launch_its_kernels() -> None:
    slow = evolve(MACHINE, launch_seconds=1e-3)  # 100 kernels
    assert step_time(WORK, slow, Batch(requests=512, context=0)).total < 0.02
    assert step_time(WORK, slow, Batch(requests=513, context=0)).total > 0.1


def test_experts_products_waste_rows_on_each_expert_that_is_visited() -> None:
    experts = ExpertMatrices(
        arithmetic="16", layers=1, experts=10, global_experts=10, top_k=1, bytes=0.0, elements=0.0, flops=1e9
    )
    sparse = evolve(WORK, matrices=(), experts=(experts,))
    # 1000 rows, and 20 more for each of ten experts
    padded = step_time(sparse, evolve(MACHINE, moe_rows=20.0), Batch(requests=1000, context=0)).compute
    assert padded == pytest.approx(1200 * 1e9 / 1e15, rel=1e-3)
