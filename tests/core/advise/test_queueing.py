"""A closed loop's steady state."""

from __future__ import annotations

import pytest
from attrs import evolve

from vram.advise.queueing import Capacity, closed_loop, turning_batch
from vram.advise.roofline import Batch, step_time
from vram.models.performance import Workload

from .test_roofline import MACHINE, WORK

CAPACITY = Capacity(batch=64, budget=8192)


def load(concurrency: int = 1, prompt: int = 1000, gen: int = 101) -> Workload:
    return Workload(prompt_tokens=prompt, gen_tokens=gen, concurrency=concurrency)


def test_one_client_waits_for_its_prefill_and_then_decodes_alone() -> None:
    loop = closed_loop(WORK, MACHINE, load(), CAPACITY)
    prefill = step_time(WORK, MACHINE, Batch(requests=0, context=0, chunk=1000, prompt=1000, ended=1))
    decode = step_time(WORK, MACHINE, Batch(requests=1, context=1050.5))
    assert loop.ttft == pytest.approx(prefill.total, rel=0.01)
    assert loop.tpot == pytest.approx(decode.total)
    assert loop.requests_per_s == pytest.approx(1 / (prefill.total + 100 * decode.total))


@pytest.mark.parametrize("concurrency", [1, 3, 16, 64])
@pytest.mark.parametrize("prompt", [100, 4000, 30000])
def test_time_is_conserved(concurrency: int, prompt: int) -> None:
    # Little's law: clients = rate × (time to first token + time of the other tokens)
    loop = closed_loop(WORK, MACHINE, load(concurrency, prompt), CAPACITY)
    assert loop.requests_per_s * (loop.ttft + 100 * loop.tpot) == pytest.approx(concurrency)


def test_clients_beyond_the_batch_wait_and_change_no_throughput() -> None:
    full, crowded = (closed_loop(WORK, MACHINE, load(c), CAPACITY) for c in (64, 128))
    assert crowded.batch == full.batch == 64
    assert crowded.requests_per_s == full.requests_per_s
    # who waits is there at once when another ends, and finds fewer prompts before it than who has to be sent
    assert crowded.tpot == pytest.approx(full.tpot, rel=0.05)
    # as many wait as run: one whole cycle
    assert crowded.ttft - full.ttft == pytest.approx(64 / full.requests_per_s, rel=0.05)


def test_more_clients_raise_throughput_and_the_time_per_token() -> None:
    loops = [closed_loop(WORK, MACHINE, load(c), CAPACITY) for c in (1, 2, 4, 8, 16, 32, 64)]
    rates = [loop.requests_per_s for loop in loops]
    tpots = [loop.tpot for loop in loops]
    assert rates == sorted(rates)
    assert tpots == sorted(tpots)


def test_a_prompt_longer_than_the_budget_is_prefilled_in_chunks() -> None:
    # computing 32768 tokens takes 328 ms whatever the chunks, and weights are read once for each
    whole = closed_loop(WORK, MACHINE, load(prompt=32768), Capacity(batch=64, budget=65536))
    chunks = closed_loop(WORK, MACHINE, load(prompt=32768), Capacity(batch=64, budget=513))
    assert chunks.ttft > whole.ttft
    assert chunks.ttft < 64 * (10e-3 + 5.12e-3) + 0.1


def test_saturated_by_prompts_decoding_goes_on_and_prompts_wait() -> None:
    loop = closed_loop(WORK, MACHINE, load(concurrency=64, prompt=30000, gen=11), CAPACITY)
    assert loop.tpot <= loop.prefill.total * 1.001
    assert loop.ttft > 10 * 10 * loop.tpot


def test_a_pipeline_reads_the_weights_once_for_each_part_of_the_batch() -> None:
    one, four = (closed_loop(WORK, MACHINE, load(64), Capacity(batch=64, budget=8192, stages=s)) for s in (1, 4))
    assert four.decode.memory == pytest.approx(one.decode.memory)
    assert four.decode.compute == pytest.approx(one.decode.compute / 4)


def test_a_single_output_token_has_no_time_after_the_first() -> None:
    loop = closed_loop(WORK, MACHINE, load(gen=1), CAPACITY)
    assert loop.tpot == 0
    assert loop.ttft == pytest.approx(1 / loop.requests_per_s)


def test_the_turning_batch_is_where_compute_catches_up() -> None:
    # 10 ms of weights against 10 µs per token
    assert turning_batch(WORK, MACHINE, load(), 4096) == 1000
    assert turning_batch(WORK, MACHINE, load(), 999) is None


def test_equal_prompts_wait_for_all_that_end_before_they_are_sent_again() -> None:
    # four prompts of two chunks: sent again after the last ended, the k-th is served k-th, the median after one and a half others;
    # sent again at once, each finds the one before it just served
    slow, quick = (
        closed_loop(WORK, evolve(MACHINE, client_seconds=seconds), load(4, 16000), CAPACITY) for seconds in (0.5, 0.0)
    )
    alone = closed_loop(WORK, MACHINE, load(1, 16000), CAPACITY)
    assert slow.ttft - 0.5 == pytest.approx(2.5 * alone.ttft, rel=0.05)
    assert quick.ttft < 1.5 * alone.ttft


def test_as_many_prompts_share_a_step_as_the_budget_takes_beside_the_others() -> None:
    # four prompts of 2,048 tokens fill a step of 8,192 when none of the four decodes; five clients leave room for three and one
    four, five = (closed_loop(WORK, MACHINE, load(clients, 2048), CAPACITY) for clients in (4, 5))
    assert four.prefill.compute > five.prefill.compute


def test_a_step_that_is_scheduled_ahead_is_waited_for() -> None:
    plain, ahead = (closed_loop(WORK, evolve(MACHINE, overlapped=on), load(4, 30000), CAPACITY) for on in (False, True))
    assert ahead.ttft > plain.ttft
