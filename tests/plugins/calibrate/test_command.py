"""`vram calibrate` where there is no GPU."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from vram.errors import CalibrationError, DetectionError, InputError, UnknownNameError
from vram_plugins.calibrate.command import command


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nothing() -> None:
        raise DetectionError(problem="no NVIDIA driver is installed", next="Install it.")

    monkeypatch.setattr("vram.gpus.detect.detect_gpus", nothing)
    monkeypatch.setenv("VRAM_HOME", str(tmp_path / "home"))


@pytest.fixture
def calibrate() -> Callable[..., str]:
    def run(*arguments: object) -> str:
        return (
            CliRunner().invoke(command, [*map(str, arguments)], catch_exceptions=False, env={"COLUMNS": "120"}).output
        )

    return run


def test_the_plan_says_what_and_how_long(calibrate: Callable[..., str]) -> None:
    told = calibrate("--plan", "--gpus", 2)
    assert "graphs-deep" in told
    assert "tp2" in told
    assert "about 12 minutes" in told  # 5 × 45 + 4 × 95 + 110 s = 715 s
    assert "no GPU that can be read" in told


def test_one_trial_can_be_chosen(calibrate: Callable[..., str]) -> None:
    assert "1 starts of vLLM" in calibrate("--plan", "--only", "eager")
    with pytest.raises(UnknownNameError, match="eager"):
        calibrate("--plan", "--only", "eagre")


def test_without_a_gpu_one_sentence_says_so(calibrate: Callable[..., str]) -> None:
    with pytest.raises(
        CalibrationError, match=r"no GPU here: no NVIDIA driver is installed\. Run this where vLLM will serve"
    ):
        calibrate()


def test_a_folder_without_logs_is_one_sentence(calibrate: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match="no trial under"):
        calibrate("--logs", tmp_path)


def test_a_name_that_is_taken_is_refused_before_anything_starts(calibrate: Callable[..., str]) -> None:
    with pytest.raises(InputError, match="already there"):
        calibrate("--save", "hopper")
