"""The simulation of the scheduler, against counts by hand and against the closed form where both hold."""

from __future__ import annotations

from itertools import pairwise
from statistics import mean, median

import pytest
from attrs import evolve

from vram.advise.queueing import Capacity, closed_loop
from vram.advise.roofline import Batch, step_time
from vram.advise.scheduler import simulate
from vram.advise.traffic import poisson
from vram.models.performance import Workload

from .test_roofline import MACHINE, WORK

CAPACITY = Capacity(batch=64, budget=8192)


def load(concurrency: int = 1, prompt: int = 1000, gen: int = 101) -> Workload:
    return Workload(prompt_tokens=prompt, gen_tokens=gen, concurrency=concurrency)


def step(requests: float = 0.0, chunk: float = 0.0, ended: float = 1.0) -> float:
    return step_time(WORK, MACHINE, Batch(requests=requests, context=1000, chunk=chunk, prompt=1000, ended=ended)).total


def test_one_request_is_prefilled_once_and_decoded_alone() -> None:
    seen = simulate(WORK, MACHINE, load(), CAPACITY, [0.0])
    assert seen.ttft == (pytest.approx(step(chunk=1000)),)
    assert seen.tpot == (pytest.approx(step(requests=1)),)
    assert seen.seconds == pytest.approx(step(chunk=1000) + 100 * step(requests=1))
    assert seen.waiting == (0.0,)


def test_prompts_that_come_together_share_a_step_and_the_budget_cuts_the_last() -> None:
    seen = simulate(WORK, MACHINE, load(), Capacity(batch=64, budget=2500), [0.0] * 3)
    # two and a half prompts, then the other half beside two that decode
    first = step(chunk=2500)
    assert seen.ttft[:2] == (pytest.approx(first), pytest.approx(first))
    assert seen.ttft[2] == pytest.approx(first + step(requests=2, chunk=500))


def test_who_finds_no_place_waits_for_an_end() -> None:
    seen = simulate(WORK, MACHINE, load(), Capacity(batch=2, budget=8192), [0.0] * 3)
    assert seen.waiting[:2] == (0.0, 0.0)
    assert seen.waiting[2] == pytest.approx(step(chunk=2000) + 100 * step(requests=2))


def test_who_arrives_during_a_step_waits_for_its_end() -> None:
    seen = simulate(WORK, MACHINE, load(), CAPACITY, [0.0, step(chunk=1000) + 0.5 * step(requests=1)])
    assert seen.ttft[1] == pytest.approx(0.5 * step(requests=1) + step(requests=1, chunk=1000), rel=0.01)


@pytest.mark.parametrize("concurrency", [1, 3, 16, 64])
@pytest.mark.parametrize("prompt", [100, 1000, 4000])
def test_a_closed_loop_has_the_rate_of_the_closed_form(concurrency: int, prompt: int) -> None:
    machine = evolve(MACHINE, step_seconds=1e-3, client_seconds=1e-3)
    asked = load(concurrency, prompt)
    formula = closed_loop(WORK, machine, asked, CAPACITY)
    rounds = 40
    seen = simulate(WORK, machine, asked, CAPACITY, [0.0] * concurrency, follow=rounds * concurrency)
    assert (rounds + 1) * concurrency / seen.seconds == pytest.approx(formula.requests_per_s, rel=0.06)
    assert median(seen.tpot) == pytest.approx(formula.tpot, rel=0.1)
    assert median(seen.ttft) == pytest.approx(formula.ttft, rel=0.35)


@pytest.mark.parametrize("client", [1e-3, 5e-3, 2e-2])
@pytest.mark.parametrize("ahead", [False, True])
def test_equal_prompts_of_many_chunks_wait_as_long_as_the_closed_form_says(client: float, ahead: bool) -> None:
    machine = evolve(MACHINE, step_seconds=1e-3, client_seconds=client, overlapped=ahead)
    for concurrency in (2, 4, 16):
        asked = load(concurrency, 20_000, 400)
        formula = closed_loop(WORK, machine, asked, CAPACITY)
        seen = simulate(WORK, machine, asked, CAPACITY, [0.0] * concurrency, follow=40 * concurrency)
        assert median(seen.ttft) == pytest.approx(formula.ttft, rel=0.3)


def test_an_arrival_waits_for_the_step_that_is_scheduled_ahead() -> None:
    arrivals = [0.0, step(chunk=1000) + 0.5 * step(requests=1)]
    plain, ahead = (simulate(WORK, evolve(MACHINE, overlapped=on), load(), CAPACITY, arrivals) for on in (False, True))
    assert ahead.ttft[1] - plain.ttft[1] == pytest.approx(step(requests=1), rel=0.05)


def test_lengths_that_vary_have_the_mean_that_was_asked_for() -> None:
    asked = load(1, 1000, 101)
    varied = simulate(WORK, MACHINE, asked, CAPACITY, [10.0 * at for at in range(60)], spread=0.9)
    equal = simulate(WORK, MACHINE, asked, CAPACITY, [10.0 * at for at in range(60)])
    # short prompts read the weights too, and so gain a little less than long ones lose
    assert mean(varied.ttft) == pytest.approx(mean(equal.ttft), rel=0.08)
    assert max(varied.ttft) > 1.3 * mean(equal.ttft)


def test_requests_of_different_lengths_get_out_of_step() -> None:
    asked = load(8, 1000)
    equal, varied = (
        simulate(WORK, MACHINE, asked, CAPACITY, [0.0] * 8, follow=400, spread=spread) for spread in (0.0, 0.2)
    )
    # eight prompts in one step against one or two
    assert median(varied.ttft) < 0.5 * median(equal.ttft)
    assert varied.seconds == pytest.approx(equal.seconds, rel=0.1)


def test_arrivals_have_the_rate_asked_for_and_are_the_same_every_time() -> None:
    times = poisson(5.0, 1000)
    assert times == poisson(5.0, 1000)
    assert times[0] == 0.0
    assert times[-1] == pytest.approx(200, rel=0.01)
    gaps = [after - before for before, after in pairwise(times)]
    # as many gaps below the mean as an exponential distribution has: 1 - 1/e
    assert mean(gap < 0.2 for gap in gaps) == pytest.approx(0.632, abs=0.04)


def test_below_saturation_little_law_holds() -> None:
    asked = load()
    seen = simulate(WORK, MACHINE, asked, CAPACITY, poisson(4.0, 2000))
    life = mean(seen.ttft) + 100 * mean(seen.tpot)
    assert seen.running == pytest.approx(4.0 * life, rel=0.1)


def test_a_pipeline_decodes_parts_of_the_batch_behind_each_other() -> None:
    one, four = (simulate(WORK, MACHINE, load(), Capacity(batch=64, budget=8192, stages=s), [0.0] * 64) for s in (1, 4))
    assert median(four.tpot) < median(one.tpot)
