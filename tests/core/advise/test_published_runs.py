"""Accuracy against published vLLM serving runs, where they lie beside the checkout."""

from __future__ import annotations

import importlib.util
import json
from math import exp
from pathlib import Path
from types import ModuleType

import pytest

from vram.advise.efficiency import efficiency_of
from vram.errors import VramError
from vram_plugins.calibrate.least_squares import quantile
from vram_plugins.calibrate.speed import MeasuredRun, errors, predicted

ROOT = Path(__file__).parents[3]
RUNS = ROOT.parent / "shared" / "data" / "performance.jsonl"
CONFIGS = ROOT.parent / "shared" / "model_configs"

pytestmark = pytest.mark.skipif(not RUNS.exists(), reason="no published runs at hand")


def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fit_speed", ROOT / "tests" / "calibration" / "fit_speed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measured() -> list[MeasuredRun]:
    read_run, runs = program().read_run, []
    for line in RUNS.read_text().splitlines():
        try:
            runs.append(read_run(json.loads(line), CONFIGS))
        except VramError:
            continue
    return [run for run in runs if run is not None]


def test_most_runs_are_predicted_within_a_quarter() -> None:
    runs = measured()
    assert len(runs) > 150
    found: dict[str, list[float]] = {"tpot": [], "output_tokens_per_s": []}
    for run in runs:
        for quantity, error in errors(run, predicted(run, efficiency_of(run.gpu.family))).items():
            found.setdefault(quantity, []).append(abs(error))
    for quantity, half, most in (("tpot", 1.25, 1.8), ("output_tokens_per_s", 1.3, 2.0)):
        assert exp(quantile(found[quantity], 0.5)) < half
        assert exp(quantile(found[quantity], 0.9)) < most
