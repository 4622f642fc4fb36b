"""A machine's own speed comes back from runs made with it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

from vram.advise.efficiency import Efficiency, corrected, efficiency_of
from vram.advise.speed import speed_of
from vram.ask.asking import ask
from vram.estimate.parts import compute
from vram.models.performance import Workload
from vram_plugins.calibrate.speed import MeasuredRun, corrections, errors, predicted

ADA = efficiency_of("ada")


def run(folder: Path, concurrency: int, truth: Efficiency = ADA) -> MeasuredRun:
    """A run on one L4, and what it would have measured with other constants."""
    parts = compute(ask(folder, gpu="L4"))
    bare = MeasuredRun(
        label=str(concurrency),
        gpu=parts.question.deployment.gpu,
        speed=speed_of(parts),
        load=Workload(prompt_tokens=500, gen_tokens=100, concurrency=concurrency),
        fits=1000,
    )
    loop = predicted(bare, truth)
    return evolve(bare, output_tokens_per_s=loop.requests_per_s * 100, tpot=loop.tpot, ttft=loop.ttft)


def factors(runs: list[MeasuredRun]) -> dict[str, float]:
    return {c.name.removeprefix("speed_"): c.value for c in corrections(runs, ADA, "here")}


def test_errors_are_logarithms_of_predicted_over_measured(model_folder: Callable[..., Path]) -> None:
    exact = run(model_folder(), 1)
    found = errors(evolve(exact, tpot=(exact.tpot or 0) / 2, ttft=None), predicted(exact, ADA))
    assert found == {"output_tokens_per_s": pytest.approx(0), "tpot": pytest.approx(0.693, abs=1e-3)}


def test_a_slower_memory_than_assumed_is_found(model_folder: Callable[..., Path]) -> None:
    truth = corrected(ADA, [("bandwidth", 0.8)])
    runs = [run(model_folder(), concurrency, truth) for concurrency in (1, 2, 4, 8, 16)]
    found = factors(runs)
    # the prior holds some of it back
    assert 0.78 < found["bandwidth"] < 0.88
    better = corrected(ADA, found.items())
    assert max(abs(error) for each in runs for error in errors(each, predicted(each, better)).values()) < 0.06


def test_what_a_run_does_not_show_stays_as_it_was(model_folder: Callable[..., Path]) -> None:
    assert factors([run(model_folder(), 1)]) == {name: pytest.approx(1.0, abs=0.01) for name in factors([])}
    assert factors([])["link"] == 1.0


def test_one_factor_says_how_far_the_corrected_model_is_off(model_folder: Callable[..., Path]) -> None:
    (first, *_) = corrections(
        [run(model_folder(), 1), run(model_folder(), 1, corrected(ADA, [("bandwidth", 0.7)]))], ADA, "here"
    )
    assert first.low < first.value < first.high
    assert first.samples == 2
    assert first.provenance == "measured"
