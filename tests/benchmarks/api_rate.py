"""Requests a second that /api/v1 answers on two cores: the server on one, who asks on the other.

`python -m tests.benchmarks.api_rate`. Equal questions are answered from what is kept, others are computed each time: both are told.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlencode

MODEL = "Qwen/Qwen3-8B"
GOAL = 500.0
Question = Callable[[int], dict[str, object]]


def main() -> int:
    """Measure and print; 1 where equal questions are answered more slowly than the goal."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seconds", type=float, default=5)
    options.add_argument("--connections", type=int, default=4)
    chosen = options.parse_args()
    with running() as (port, process):
        rows: tuple[tuple[str, Question], ...] = (
            ("the same question", lambda _: {"max_model_len": 8192, "concurrency": 4}),
            ("one of a hundred", lambda n: {"max_model_len": 8192, "concurrency": 1 + n % 100}),
            ("another length each time, never kept", lambda n: {"max_model_len": 1024 + n % 39_000, "concurrency": 1 + n // 39_000}),
        )  # fmt: skip
        found = [rate(port, process, question, chosen.seconds, chosen.connections) for _, question in rows]
    print(f"{f'/api/v1/estimate, {MODEL} on H100':42} {'requests/s':>11} {'at least':>9} {'ms of CPU':>10}")
    for (name, _), (per_second, cost) in zip(rows, found, strict=True):
        goal = f"{GOAL:.0f}" if name == rows[0][0] else ""
        print(f"{name:42} {per_second:11.0f} {goal:>9} {cost * 1e3:10.2f}")
    return 0 if found[0][0] >= GOAL else 1


@contextmanager
def running() -> Iterator[tuple[int, int]]:
    """`vram web` in a process of its own: its port, and its id."""
    program = [sys.executable, "-m", "vram", "web", "--port", "0", "--no-open"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        found = re.search(r":(\d+)/", process.stdout.readline())
        assert found is not None
        try:
            yield int(found[1]), process.pid
        finally:
            process.terminate()


def rate(port: int, process: int, question: Question, seconds: float, connections: int) -> tuple[float, float]:
    """Requests a second over so many kept connections, and the server's CPU seconds for each."""
    asking(port, question, 0, time.monotonic() + 60, most=200)  # the first questions read the plugins
    before, start = cpu_of(process), time.monotonic()
    with ThreadPoolExecutor(connections) as pool:
        counts = list(pool.map(lambda n: asking(port, question, 10_000 * n + 500, start + seconds), range(connections)))
    count = sum(counts)
    return count / (time.monotonic() - start), (cpu_of(process) - before) / count


def asking(port: int, question: Question, first: int, until: float, most: int = 10**9) -> int:
    """Questions that were answered on one connection until then, so many at most."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    count = 0
    while time.monotonic() < until and count < most:
        fields = {"model": MODEL, "gpu": "H100", **question(first + count)}
        connection.request("GET", f"/api/v1/estimate?{urlencode(fields)}")
        response = connection.getresponse()
        raw = response.read()
        if response.status != 200 or (count == 0 and json.loads(raw)["model"]["id"] != MODEL):
            raise RuntimeError(raw)
        count += 1
    connection.close()
    return count


def cpu_of(process: int) -> float:
    """User and system seconds that a process has taken (Linux)."""
    with open(f"/proc/{process}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    sys.exit(main())
