"""Benchmarks of `vllm bench serve` as they are written: keys and lines of vllm/benchmarks/serve.py, numbers made up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vram.errors import InputError
from vram_plugins.performance.bench import read_benches

RESULT: dict[str, Any] = {
    "date": "20261129-120000", "backend": "vllm", "model_id": "some/model", "num_prompts": 200, "request_rate": "inf",
    "burstiness": 1.0, "max_concurrency": 16, "duration": 25.0, "completed": 200, "failed": 0, "total_input_tokens": 200_000,
    "total_output_tokens": 40_000, "request_throughput": 8.0, "output_throughput": 1600.0, "mean_ttft_ms": 120.0,
    "median_ttft_ms": 110.0, "mean_tpot_ms": 9.5, "median_tpot_ms": 9.4, "p99_ttft_ms": 300.0,
}  # fmt: skip
PRINTED = """\
INFO 11-29 12:00:00 [api_server.py:1] something before
============ Serving Benchmark Result ============
Successful requests:                     100       
Failed requests:                         0         
Request rate configured (RPS):           5.00      
Benchmark duration (s):                  21.30     
Total input tokens:                      51200     
Total generated tokens:                  12800     
Request throughput (req/s):              4.69      
Output token throughput (tok/s):         600.94    
Peak output token throughput (tok/s):    900.00    
---------------Time to First Token----------------
Mean TTFT (ms):                          48.10     
Median TTFT (ms):                        45.20     
P99 TTFT (ms):                           99.00     
-----Time per Output Token (excl. 1st token)------
Mean TPOT (ms):                          7.30      
Median TPOT (ms):                        7.25      
==================================================
"""  # noqa: W291


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "bench.json"
    path.write_text(text)
    return str(path)


def test_a_result_file_is_a_closed_loop_of_its_clients(tmp_path: Path) -> None:
    (bench,) = read_benches(write(tmp_path, json.dumps(RESULT)))
    assert (bench.load.prompt_tokens, bench.load.gen_tokens, bench.load.concurrency) == (1000, 200, 16)
    assert bench.load.arrival == "closed"
    assert (bench.output_tokens_per_s, bench.ttft_ms, bench.tpot_ms) == (1600.0, 110.0, 9.4)


def test_without_a_limit_all_come_at_once_or_at_the_rate(tmp_path: Path) -> None:
    (burst,) = read_benches(write(tmp_path, json.dumps({**RESULT, "max_concurrency": None})))
    assert (burst.load.arrival, burst.load.concurrency) == ("burst", 200)
    (rate,) = read_benches(write(tmp_path, json.dumps({**RESULT, "max_concurrency": None, "request_rate": 4.0})))
    assert (rate.load.arrival, rate.load.request_rate, rate.load.requests) == ("poisson", 4.0, 200)


def test_lines_of_a_log_say_the_same(tmp_path: Path) -> None:
    first, second = read_benches(write(tmp_path, PRINTED + PRINTED.replace("7.25", "8.25")))
    assert (first.load.prompt_tokens, first.load.gen_tokens, first.load.request_rate) == (512, 128, 5.0)
    assert (first.output_tokens_per_s, first.ttft_ms, first.tpot_ms) == (600.94, 45.2, 7.25)
    assert second.tpot_ms == 8.25
    assert (first.where, second.where) == ("bench.json:1", "bench.json:2")


def test_results_appended_to_one_file_are_all_read(tmp_path: Path) -> None:
    lines = "\n".join(json.dumps({**RESULT, "max_concurrency": n}) for n in (1, 8))
    assert [bench.load.concurrency for bench in read_benches(write(tmp_path, lines))] == [1, 8]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no result"),
        ("INFO no benchmark here", "no result"),
        ('{"output_throughput": 5}', "how many requests"),
        (json.dumps({**RESULT, "completed": 0, "num_prompts": None}), "how many requests"),
        ("[" * 100_000, "no result"),
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_benches(write(tmp_path, text))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_benches(str(tmp_path / "none.json"))


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -3, "many", None, True])
def test_a_figure_that_is_no_number_is_not_there(tmp_path: Path, value: object) -> None:
    (bench,) = read_benches(write(tmp_path, json.dumps({**RESULT, "median_tpot_ms": value, "mean_tpot_ms": value})))
    assert bench.tpot_ms is None
