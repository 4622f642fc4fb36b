"""Accuracy against published vLLM serving runs, where they lie beside the checkout."""

from __future__ import annotations

import importlib.util
import sys
from math import exp
from pathlib import Path
from types import ModuleType

import pytest

from vram.advise.efficiency import efficiency_of
from vram_plugins.calibrate.least_squares import quantile

ROOT = Path(__file__).parents[3]
RUNS = ROOT.parent / "shared" / "data" / "performance.jsonl"
CONFIGS = ROOT.parent / "shared" / "model_configs"

pytestmark = pytest.mark.skipif(not RUNS.exists(), reason="no published runs at hand")


def program(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = ROOT / "tests" / "calibration"
    monkeypatch.syspath_prepend(str(folder))
    spec = importlib.util.spec_from_file_location("fit_speed", folder / "fit_speed.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "fit_speed", module)
    spec.loader.exec_module(module)
    return module


def test_half_of_the_runs_are_predicted_within_a_fifth(monkeypatch: pytest.MonkeyPatch) -> None:
    fit_speed = program(monkeypatch)
    runs = fit_speed.read_runs(RUNS, CONFIGS, quiet=True)
    assert len(runs) > 250
    found: dict[str, list[float]] = {}
    for one in runs:
        for quantity, error in fit_speed.judged(one, efficiency_of(one.generation)).items():
            found.setdefault(quantity, []).append(abs(error))
    for quantity, half, most in (("tpot", 1.2, 1.8), ("output_tokens_per_s", 1.2, 2.0), ("ttft", 1.4, 6.0)):
        assert exp(quantile(found[quantity], 0.5)) < half
        assert exp(quantile(found[quantity], 0.9)) < most
