"""Starting vLLM: whatever happens, nothing keeps running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from vram.errors import CalibrationError
from vram_plugins.calibrate.start import run_to_end, vllm_version

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="vLLM does not run there")

#: starts a worker of its own, as vLLM does, which ignores polite requests, and names it
PARENT = (
    "import subprocess, sys, time\n"
    "worker = subprocess.Popen([sys.executable, '-c', 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "time.sleep(300)'])\n"
    "print(worker.pid, flush=True)\n"
    "time.sleep({seconds})\n"
)


def _gone(pid: int) -> bool:
    for _ in range(100):
        try:
            with open(f"/proc/{pid}/stat") as status:
                if status.read().rsplit(")", 1)[1].split()[0] == "Z":
                    return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("vram_plugins.calibrate.start._GRACE_SECONDS", 0.5)


def test_workers_that_outlive_vllm_are_ended(tmp_path):
    log = tmp_path / "log"
    run_to_end([sys.executable, "-c", PARENT.format(seconds=0)], log, seconds=30)
    assert _gone(int(log.read_text()))


def test_a_start_that_hangs_is_ended(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(CalibrationError, match="not ready within"):
        run_to_end([sys.executable, "-c", PARENT.format(seconds=300)], log, seconds=1.5)
    assert _gone(int(log.read_text()))


def test_a_start_that_fails_names_its_log(tmp_path):
    log = tmp_path / "log"
    with pytest.raises(CalibrationError, match=f"code 3.*vram reconcile {log}"):
        run_to_end([sys.executable, "-c", "raise SystemExit(3)"], log, seconds=30)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_no_process_and_no_traceback(tmp_path, number):
    log = tmp_path / "log"
    script = (
        "import sys, pathlib\n"
        "import vram_plugins.calibrate.start as start, vram.cli as cli\n"
        "start._GRACE_SECONDS = 0.5\n"
        f"command = [sys.executable, '-c', {PARENT.format(seconds=300)!r}]\n"
        f"cli.cli.main = lambda **_: start.run_to_end(command, pathlib.Path({str(log)!r}), seconds=100)\n"
        "cli.main()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE, text=True)
    for _ in range(200):
        if log.exists() and log.read_text().strip():
            break
        time.sleep(0.05)
    os.kill(process.pid, number)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in told
    assert _gone(int(log.read_text()))


def test_an_interpreter_without_vllm_is_one_sentence():
    with pytest.raises(CalibrationError, match="has no vLLM"):
        vllm_version(sys.executable)
    with pytest.raises(CalibrationError, match="cannot be run"):
        vllm_version("/nowhere/python")
