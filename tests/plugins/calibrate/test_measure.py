"""From the logs of trials to a profile: the numbers of an imagined machine come back out of its logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from attrs import evolve

import vram
from vram.ask.asking import ask
from vram.errors import CalibrationError
from vram.estimate.memory.activations import activation_peak
from vram.estimate.memory.constants import FALLBACK
from vram.estimate.memory.graphs import graph_memory
from vram.estimate.memory.nontorch import non_torch_memory
from vram.estimate.memory.profile_run import profile_run
from vram.estimate.weights.ranks import Parallelism, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.profile import OverheadProfile
from vram.profiles.saved import save_profile
from vram.units import GIB, MIB
from vram_plugins.calibrate.matrix import trials
from vram_plugins.calibrate.measure import LOG, Machine, fit_trials, run_with

#: the imagined machine: 0.35 GiB outside PyTorch, 80 MiB of library workspaces, larger graphs; the rest as known
TRUTH = {"non_torch_bytes": 0.35 * GIB, "library_workspace_bytes": 80 * MIB, "graph_base_bytes": 0.6 * GIB}
MACHINE = Machine(gpu="L40S", vllm_version="0.19.1", gpu_memory_gib=44.39)
CONSTANTS = tuple(
    evolve(c, value=TRUTH[c.name], high=max(c.high, TRUTH[c.name])) if c.name in TRUTH else c for c in FALLBACK
)


def log_of(model: Path, arguments: dict[str, object]) -> str:
    """The lines vLLM 0.19.1 would print on the imagined machine."""
    asked = ask(model, gpu=MACHINE.gpu, gpu_memory_gib=44.39, vllm_version=MACHINE.vllm_version, **arguments)
    parallel = Parallelism.of(tp=int(arguments["tensor_parallel_size"]), pp=1, dp=1, expert_parallel=False)
    resolved = resolve(asked.spec, asked.quantization)
    run = profile_run(resolved, asked.deployment, parallel, OverheadProfile(name="x", constants=CONSTANTS))
    weights = max(rank.weights_bytes for rank in rank_weights(resolved, parallel, asked.deployment.dtype))
    peak, outside, graphs = (
        activation_peak(run).expected,
        non_torch_memory(run).expected,
        graph_memory(run).captured.expected,
    )
    budget = 44.39 * GIB * float(arguments["gpu_memory_utilization"])
    left = (budget - weights - peak - outside) / GIB
    captured = f"(EngineCore_DP0 pid=7) INFO [x.py:1] Graph capturing finished in 3 secs, took {graphs / GIB:.2f} GiB\n"
    return (
        f"INFO 01-01 00:00:00 [utils.py:233] non-default args: {{'model': '{model}', 'load_format': 'dummy'}}\n"
        f"(EngineCore_DP0 pid=7) INFO [core.py:105] Initializing a V1 LLM engine (v0.19.1) with config: model='{model}', seed=0\n"
        f"(EngineCore_DP0 pid=7) INFO [x.py:1] Model loading took {weights / GIB:.2f} GiB memory and 0.3 seconds\n"
        f"(EngineCore_DP0 pid=7) INFO [x.py:1] Available KV cache memory: {left:.2f} GiB\n"
        + (captured if graphs else "")
        + "(EngineCore_DP0 pid=7) DEBUG [gpu_worker.py:650] Free memory on device (43.9/44.39 GiB) on startup. Desired GPU memory "
        f"utilization is (0.9, {budget / GIB:.2f} GiB). Actual usage is {weights / GIB:.2f} GiB for weight, {peak / GIB:.2f} GiB "
        f"for peak activation, {outside / GIB:.2f} GiB for non-torch memory, and {graphs / GIB:.2f} GiB for CUDAGraph memory.\n"
    )


def started(model, arguments, log, _seconds):
    log.write_text(log_of(model, arguments))


@pytest.fixture
def measured(tmp_path):
    folder = tmp_path / "trials"
    run_with(started, trials(2), MACHINE, folder, free_share=None, tell=lambda _text: None)
    return folder


def test_the_constants_of_a_machine_come_back_out_of_its_logs(measured):
    result = fit_trials(measured, "mine")
    found = {
        c.name: c
        for c in result.profile.constants
        if c.since <= (0, 19, 1) and (c.until is None or c.until > (0, 19, 1))
    }
    assert found["non_torch_bytes"].value == pytest.approx(TRUTH["non_torch_bytes"], abs=0.03 * GIB)
    assert found["graph_base_bytes"].value == pytest.approx(TRUTH["graph_base_bytes"], abs=0.1 * GIB)
    assert found["non_torch_bytes"].provenance == "measured"
    assert found["non_torch_bytes"].samples >= 10
    # logs have two digits: nothing is farther off than that and what the pull to the known values costs
    assert max(abs(one.error) for one in result.left_over) < 0.06 * GIB
    assert not result.failures


def test_the_profile_is_used_by_its_name(measured, tmp_path, monkeypatch, model_folder):
    monkeypatch.setenv("VRAM_HOME", str(tmp_path / "home"))
    save_profile(fit_trials(measured, "mine").profile)
    estimate = vram.estimate(model_folder(), profile="mine", vllm_version="0.19.1")
    assert (estimate.deployment.gpu, estimate.deployment.profile) == ("L40S", "mine")
    assert estimate.memory.non_torch.expected == pytest.approx(TRUTH["non_torch_bytes"], abs=0.03 * GIB)


def test_a_trial_that_fails_is_told_and_skipped(tmp_path):
    told: list[str] = []

    def failing(model, arguments, log, seconds):
        if model.name == "eager":
            log.write_text("RuntimeError: No CUDA GPUs are available\n")
            raise CalibrationError(problem="vLLM ended with code 1", next="")
        started(model, arguments, log, seconds)

    run_with(failing, trials(1)[:3], MACHINE, tmp_path, free_share=None, tell=told.append)
    result = fit_trials(tmp_path, "x")
    assert any("failed" in line for line in told)
    assert len(result.failures) == 1
    assert result.failures[0].startswith("eager:")


def test_beside_other_processes_less_is_asked_for(tmp_path):
    run_with(started, trials(1)[:1], MACHINE, tmp_path, free_share=0.5, tell=lambda _text: None)
    facts = json.loads((tmp_path / "eager" / "trial.json").read_text())
    assert facts["engine_args"]["gpu_memory_utilization"] == 0.49
    with pytest.raises(CalibrationError, match="only 10 %"):
        run_with(started, trials(1)[:1], MACHINE, tmp_path, free_share=0.1, tell=lambda _text: None)


def test_logs_without_notes_need_a_gpu_and_say_so(measured):
    for place in measured.iterdir():
        (place / "trial.json").unlink()
    with pytest.raises(CalibrationError, match="names no GPU"):
        fit_trials(measured, "x")
    assert fit_trials(measured, "x", gpu="L40S").profile.constants


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[" * 5000, b"[1]", b'{"engine_args": {"max_num_seqs": -1}}'])
def test_broken_notes_are_one_sentence(measured, content):
    for place in measured.iterdir():
        (place / "trial.json").write_bytes(content)
        (place / LOG).write_bytes(content)
    with pytest.raises(CalibrationError, match="no trial under"):
        fit_trials(measured, "x")
