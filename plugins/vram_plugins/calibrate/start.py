"""One start of vLLM in a process group of its own, of which nothing remains whatever happens."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from vram.errors import CalibrationError

_SCRIPT = "import json, sys; from vllm import LLM; LLM(**json.loads(sys.argv[1]))"
_VERSION_SCRIPT = "import importlib.metadata as m; print(m.version('vllm'))"
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 15.0
_PATIENCE_SECONDS = 60.0
#: the line with every component is at debug level to 0.25 (read in 0.11.2 to 0.25.1; at info in 0.28.0); nothing is asked of the network
_ENVIRONMENT = {
    "VLLM_LOGGING_LEVEL": "DEBUG",
    "VLLM_NO_USAGE_STATS": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
}


def vllm_version(python: str) -> str:
    """The version of the vLLM that an interpreter has. Raises CalibrationError."""
    step = "Run it with the interpreter that has vLLM: --python /path/to/venv/bin/python."
    try:
        done = subprocess.run(  # noqa: S603  the user's own interpreter
            [python, "-c", _VERSION_SCRIPT], capture_output=True, text=True, timeout=_PATIENCE_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        reason = type(error).__name__
        raise CalibrationError(problem=f"{python} cannot be run ({reason})", next=step) from None
    version = done.stdout.strip()
    if done.returncode or not version:
        raise CalibrationError(problem=f"{python} has no vLLM", next=step)
    return version


def start_vllm(python: str, model: Path, engine_args: Mapping[str, Any], log: Path, *, seconds: float) -> None:
    """Start vLLM's engine on a config with made-up weights, and end it; what it prints goes to `log`.

    Raises CalibrationError when it does not come up in time or fails, KeyboardInterrupt when interrupted.
    """
    arguments = {
        "model": str(model),
        "load_format": "dummy",
        "skip_tokenizer_init": True,
        "disable_log_stats": True,
        **engine_args,
    }
    run_to_end([python, "-c", _SCRIPT, json.dumps(arguments)], log, seconds=seconds)


def run_to_end(command: Sequence[str], log: Path, *, seconds: float) -> None:
    """Run a command with its output in `log`; its whole process group is ended before this returns or raises.

    Raises CalibrationError, KeyboardInterrupt.
    """
    environment = {**os.environ, **_ENVIRONMENT}
    step = f"Its output is in {log}; `vram reconcile {log}` tells what went wrong."
    with open(log, "wb") as output, _terminated_as_interrupted():
        process = subprocess.Popen(  # noqa: S603  the user's own interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + seconds
            while process.poll() is None:
                if time.monotonic() > deadline:
                    raise CalibrationError(problem=f"vLLM was not ready within {seconds:.0f} s", next=step)
                time.sleep(_POLL_SECONDS)
        finally:
            _end_group(process)
    if process.returncode:
        raise CalibrationError(problem=f"vLLM ended with code {process.returncode}", next=step)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End every process of the group, first politely. A second interrupt shortens the wait and leaves nothing either."""
    try:
        _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < deadline and _group_lives(process):
            time.sleep(_POLL_SECONDS / 2)
    finally:
        _signal_group(process.pid, signal.SIGKILL)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE_SECONDS)


def _group_lives(process: subprocess.Popen[bytes]) -> bool:
    process.poll()  # collects the leader, which would count as alive otherwise
    return _signal_group(process.pid, 0)


def _signal_group(group: int, number: int) -> bool:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP end this program as Ctrl-C does, so that the group is ended, too."""
    if threading.current_thread() is not threading.main_thread() or sys.platform == "win32":
        yield
        return

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    former = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
