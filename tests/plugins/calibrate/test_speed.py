"""Constants of the speed model come back from runs made with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from vram.advise.efficiency import Efficiency, efficiency_of
from vram.advise.speed import speed_of
from vram.ask.asking import ask
from vram.estimate.parts import compute
from vram.models.performance import Workload
from vram_plugins.calibrate.speed import MeasuredRun, errors, fit_speed, predicted


def run(folder: Path, concurrency: int, truth: Efficiency | None = None) -> MeasuredRun:
    """A run on one L4; with `truth`, what it would have measured."""
    parts = compute(ask(folder, gpu="L4"))
    bare = MeasuredRun(
        label=str(concurrency),
        model="llama",
        series=str(concurrency),
        gpu=parts.question.deployment.gpu,
        speed=speed_of(parts),
        load=Workload(prompt_tokens=500, gen_tokens=100, concurrency=concurrency),
        fits=1000,
        eager=False,
        output_tokens_per_s=100.0,
        tpot=0.1,
        ttft=None,
    )
    if truth is None:
        return bare
    loop = predicted(bare, truth)
    return evolve(bare, output_tokens_per_s=loop.requests_per_s * 100, tpot=loop.tpot)


def test_errors_are_logarithms_of_predicted_over_measured(model_folder: Callable[..., Path]) -> None:
    exact = run(model_folder(), 1, efficiency_of("ada"))
    found = errors(evolve(exact, tpot=(exact.tpot or 0) / 2), predicted(exact, efficiency_of("ada")))
    assert found["output_tokens_per_s"] == pytest.approx(0)
    assert found["tpot"] == pytest.approx(0.693, abs=1e-3)


def test_a_slower_memory_than_assumed_is_found(model_folder: Callable[..., Path]) -> None:
    truth = evolve(efficiency_of("ada"), bandwidth=0.65)
    runs = [run(model_folder(), concurrency, truth) for concurrency in (1, 2, 4, 8, 16)]
    fitted = fit_speed(runs)["ada"]
    # the prior holds some of it back
    assert 0.62 < fitted.bandwidth < 0.74
    missed = [abs(error) for each in runs for error in errors(each, predicted(each, fitted)).values()]
    assert max(missed) < 0.06


def test_no_runs_leave_the_priors(model_folder: Callable[..., Path]) -> None:
    del model_folder
    assert fit_speed([])[""].bandwidth == pytest.approx(0.8)
