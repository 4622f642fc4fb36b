"""Fitting constants to logs."""

from __future__ import annotations

from attrs import evolve
from tests.core.estimate.runs import LLAMA_8B, RUN

from vram.estimate.memory.constants import FALLBACK
from vram.estimate.memory.profile_run import ProfileRun
from vram.models.profile import OverheadProfile
from vram.units import GIB
from vram_plugins.calibrate.fit import Observation, fit, leave_out, predict, residuals, unexplained
from vram_plugins.calibrate.least_squares import quantile, robust_minimum, solve

TRUTH = 0.3 * GIB  # non_torch_bytes of the imagined machine, which the fallback puts at 0.12 GiB


def _run(vocabulary: int, layers: int) -> ProfileRun:
    shapes = evolve(LLAMA_8B, vocabulary=vocabulary, layers=layers)
    return evolve(RUN, shapes=shapes, profile=OverheadProfile(name="machine"))


def _observe(vocabulary: int, layers: int, extra: float = 0.0) -> Observation:
    run = _run(vocabulary, layers)
    truth = tuple(evolve(c, value=TRUTH) if c.name == "non_torch_bytes" else c for c in FALLBACK)
    value = predict(evolve(run, profile=evolve(run.profile, constants=truth)), "other")
    name = f"model-{vocabulary}"
    return Observation(
        quantity="other",
        value=int(value + extra * GIB),
        run=run,
        label=name,
        model=name,
        source="lab",
        group=name,
    )


def test_recovers_an_offset_in_spite_of_an_outlier():
    logs = [_observe(v, 32) for v in (32000, 64000, 100352, 128256, 151936, 200000)] + [_observe(50000, 32, extra=6)]
    constants = {c.name: c for c in fit(logs, source="test")}
    offset = constants["non_torch_bytes"]
    total = offset.value + constants["library_workspace_bytes"].value
    assert abs(total - (TRUTH + 45 * 2**20)) < 0.03 * GIB
    assert offset.provenance == "measured"
    assert offset.samples == len(logs)


def test_constants_nobody_observed_are_left_out():
    names = {c.name for c in fit([_observe(128256, 32)], source="test")}
    assert "fused_all_reduce_bytes" not in names
    assert "sampler_sort_bytes" not in names


def test_what_is_not_explained_is_named():
    logs = [_observe(v, 32) for v in (32000, 64000, 100352, 128256)] + [_observe(50000, 32, extra=6)]
    left = unexplained(residuals(logs, fit(logs, source="test")))
    assert [r.observation.label for r in left] == ["model-50000"]


def test_cross_validation_predicts_each_model_without_it():
    logs = [_observe(v, 32) for v in (32000, 64000, 100352, 128256, 151936)]
    left = leave_out(logs, lambda one: one.model, source="test")
    assert len(left) == len(logs)
    assert max(abs(r.error) for r in left) < 0.1 * GIB


def test_solve_and_quantile():
    # 2x + y = 5, x + 3y = 10 gives x = 1, y = 3
    assert [round(v, 9) for v in solve([[2, 1], [1, 3]], [5, 10])] == [1, 3]
    assert solve([[0.0]], [1.0]) == [0.0]
    assert quantile([4, 1, 3, 2], 0.5) == 2.5
    assert quantile([], 0.5) == 0


def test_robust_minimum_of_a_line_with_an_outlier():
    points = [(1, 2.0), (2, 4.0), (3, 6.0), (4, 8.0), (5, 50.0)]
    found = robust_minimum(lambda x: [x[0] * a - b for a, b in points], [1.5], [5.0], [1.0] * 5, 0.5)
    assert abs(found[0] - 2) < 0.05
