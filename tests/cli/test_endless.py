"""Files that never end, or that no reader should wait for: devices, pipes, and text made to take long."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.command import vram

from vram.errors import LogError
from vram_plugins.logs import reading
from vram_plugins.logs.parse import parse_lines
from vram_plugins.reconcile.pasted_command import server_in

ENDLESS = "/dev/zero"
needs_devices = pytest.mark.skipif(not os.path.exists(ENDLESS), reason="needs the devices of a Unix")


@needs_devices
@pytest.mark.parametrize(
    "words",
    [
        ("reconcile", ENDLESS, "--gpu", "H100"),
        ("reconcile", "/dev/full", "--gpu", "H100"),
        ("generate", "-p", ENDLESS, "-o", "x"),
        ("estimate", "-p", ENDLESS),
        ("estimate", ENDLESS, "--gpu", "H100"),
        ("estimate", "--from-file", ENDLESS, "--gpu", "H100"),
        ("check", ENDLESS, "--gpu", "H100"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_a_device_is_refused_and_not_read(words: tuple[str, ...]) -> None:
    ended = subprocess.run(  # in a process of its own: it may never end
        [sys.executable, "-m", "vram", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize(
    "words",
    [
        ("generate", "-p", "PIPE", "-o", "x"),
        ("estimate", "Qwen/Qwen3-8B", "--gpu", "H100", "--profile", "pipe"),
        ("compare", "Qwen/Qwen3-8B", "--prices", "PIPE"),
        ("estimate", "--gpu", "H100", "--", "vllm", "serve", "Qwen/Qwen3-8B", "--config", "PIPE"),
    ],
    ids=lambda words: words[0],
)
def test_a_pipe_that_nobody_fills_is_not_waited_for(words: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    for name in ("profiles/pipe.toml", "pipe.csv"):
        os.mkfifo(tmp_path / name)
    typed = [str(tmp_path / "pipe.csv") if word == "PIPE" else word for word in words]
    ended = subprocess.run(
        [sys.executable, "-m", "vram", *typed], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "VRAM_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 2 or "is not at hand" in ended.stdout


@needs_devices
def test_a_log_that_cannot_be_read_to_its_end_is_no_fault_of_the_output() -> None:
    if not os.path.exists("/proc/self/mem"):
        pytest.skip("needs a file that breaks off")
    ended = vram("reconcile", "/proc/self/mem", "--gpu", "H100")
    assert ended.returncode == 2
    assert "Log /proc/self/mem: cannot be read" in ended.stderr


def test_a_pipe_without_an_end_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "LARGEST", 1 << 20)

    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            return b"INFO " * (size // 5)

    with pytest.raises(LogError, match="larger than 256 MiB"):
        list(reading.lines_of(reading._Counted(Endless(), "-")))  # type: ignore[arg-type]


LINES = {
    "of a server at work": "INFO 11-29 12:00:01 [loggers.py:236] Engine 000: Avg prompt throughput: 12.0 tokens/s, Running: 3 reqs, GPU KV "
    "cache usage: 3.1%, Prefix cache hit rate: 12.0%",
    "of one word": "x" * 80,
    "of a trace": '  File "/usr/local/lib/python3.12/site-packages/vllm_like/engine/core.py", line 300, in run',
    "of nvidia-smi": "|   0  NVIDIA H100 80GB HBM3          On  | 00000000:1B:00.0 Off |                    0 |",
}


@pytest.mark.parametrize("line", LINES.values(), ids=LINES.keys())
def test_a_log_is_read_in_linear_time_at_megabytes_a_second(line: str) -> None:
    """10 MB/s on a core of its own (docs/explanation/robustness.md); a third of that on one that is shared."""

    def taken(count: int) -> float:
        begun = time.process_time()
        try:
            parse_lines([line] * count, path="x")
        except LogError:
            pass
        return time.process_time() - begun

    count = 3_000_000 // len(line)
    taken(count // 10)
    assert taken(count) < 1.0


@pytest.mark.parametrize("flag", ["--x", "--unknown-{}"])
def test_a_command_of_ten_thousand_mistakes_is_read_in_a_moment(flag: str) -> None:
    """Took a minute: each was sought among all flags, again for each place where a command may begin."""
    text = "vllm serve " + " ".join(flag.format(number) for number in range(10_000))
    begun = time.process_time()
    server_in(text)
    server_in("vllm serve --x \\\n" * 4_000)
    assert time.process_time() - begun < 10
