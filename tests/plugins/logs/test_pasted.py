"""A log says the same however it was copied: through containers, in a quotation, broken at the edge of a window or between words."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable
from typing import Any

import pytest

from vram_plugins.logs.parse import parse_lines
from vram_plugins.logs.records import EngineStart

#: lines in the shape of vLLM 0.11.2's, with figures of our own
LOG = (
    "(APIServer pid=1) INFO 12-15 19:05:20 [api_server.py:1977] vLLM API server version 0.11.2",
    "(APIServer pid=1) INFO 12-15 19:05:20 [utils.py:253] non-default args: {'model_tag': 'org/some-model-with-a-long-name-32B', "
    "'model': 'org/some-model-with-a-long-name-32B', 'max_model_len': 131072, 'tensor_parallel_size': 4, "
    "'gpu_memory_utilization': 0.87, 'kv_cache_dtype': 'fp8', 'max_num_seqs': 96, 'limit_mm_per_prompt': {'image': 2}}",
    "(EngineCore_DP0 pid=211) INFO 12-15 19:05:31 [core.py:93] Initializing a V1 LLM engine (v0.11.2) with config: "
    "model='org/some-model-with-a-long-name-32B', speculative_config=None, tokenizer='org/some-model-with-a-long-name-32B', "
    "dtype=torch.bfloat16, max_seq_len=131072, tensor_parallel_size=4, pipeline_parallel_size=1, quantization=None, "
    "enforce_eager=False, kv_cache_dtype=fp8, device_config=cuda, seed=0",
    "(Worker_TP0 pid=300) INFO 12-15 19:05:55 [gpu_model_runner.py:2653] Model loading took 15.3214 GiB and 30.333333 seconds",
    "(Worker_TP1 pid=301) INFO 12-15 19:05:55 [gpu_model_runner.py:2653] Model loading took 15.3214 GiB and 30.333333 seconds",
    "(Worker_TP0 pid=300) INFO 12-15 19:06:11 [gpu_worker.py:298] Available KV cache memory: 3.98 GiB",
    "(EngineCore_DP0 pid=211) ERROR 12-15 19:06:12 [core.py:842] Traceback (most recent call last):",
    '(EngineCore_DP0 pid=211) ERROR 12-15 19:06:12 [core.py:842]   File "/opt/vllm/v1/engine/core.py", line 247, in '
    "_initialize_kv_caches",
    "(EngineCore_DP0 pid=211) ERROR 12-15 19:06:12 [core.py:842] ValueError: To serve at least one request with the models's max "
    "seq len (131072), (8.00 GiB KV cache is needed, which is larger than the available KV cache memory (3.98 GiB). Based on the "
    "available memory, the estimated maximum model length is 65216. Try increasing `gpu_memory_utilization` or decreasing "
    "`max_model_len` when initializing the engine.",
)
TRACE = (
    "Traceback (most recent call last):",
    '  File "/opt/vllm/v1/worker/gpu_worker.py", line 303, in determine_available_memory',
    "    self.model_runner.profile_run()",
    '  File "/opt/vllm/v1/worker/gpu_model_runner.py", line 3021, in profile_run',
    "    hidden_states, last_hidden_states = self._dummy_run(",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB. GPU 0 has a total capacity of 23.52 GiB of which "
    "1.12 GiB is free.",
)


def said(lines: list[str] | tuple[str, ...]) -> dict[str, Any]:
    """What is read, without where."""
    start = parse_lines(lines, path="x").last
    return {
        "identity": (start.version, start.model, start.gpu, dict(start.arguments), start.asked),
        "readings": sorted((one.name, one.value, one.rank) for one in start.readings),
        "failures": [one.name for one in start.failures],
        "order": set(start.order),
        "frames": start.frames,
    }


def broken(lines: tuple[str, ...], width: int) -> list[str]:
    """As a window of that width shows them; spaces at its edge are not copied."""
    return [line[at : at + width].rstrip() for line in lines for at in range(0, len(line), width)]


BEFORE: dict[str, Callable[[str], str]] = {
    "docker compose": lambda line: f"vllm-1  | {line}",
    "an old docker compose": lambda line: f"inference_vllm_1   | {line}",
    "kubectl --prefix": lambda line: f"[pod/vllm-7c9f5b-abcde/vllm] {line}",
    "docker logs -t": lambda line: f"2026-11-29T20:14:52.123456789Z {line}",
    "a container runtime's file": lambda line: f"2026-11-29T20:14:52.123456789+00:00 stderr F {line}",
    "journald": lambda line: f"Nov 29 20:14:52 gpu-node-3 vllm[4242]: {line}",
    "a quotation": lambda line: f"> {line}",
    "a quotation of a quotation": lambda line: f"> > {line}",
    "compose in a quotation": lambda line: f"> vllm-1  | {line}",
    "a log collector": lambda line: f"level=info source=stdout app=vllm msg: {line}",
}


@pytest.mark.parametrize("copied", BEFORE)
def test_what_stands_before_a_line_changes_nothing(copied: str) -> None:
    assert said([BEFORE[copied](line) for line in LOG]) == said(LOG)


@pytest.mark.parametrize("copied", [name for name in BEFORE if name != "a log collector"])
def test_nor_before_the_lines_of_a_bare_trace(copied: str) -> None:
    assert said([BEFORE[copied](line) for line in TRACE]) == said(TRACE)


@pytest.mark.parametrize("width", range(72, 200, 4))
def test_lines_broken_at_the_edge_of_a_window_are_whole_again(width: int) -> None:
    assert said(broken(LOG, width)) == said(LOG)


@pytest.mark.parametrize("width", [72, 80, 100, 120, 160])
def test_lines_broken_between_words_are_whole_again(width: int) -> None:
    lines = [
        piece
        for line in LOG
        for piece in textwrap.wrap(line, width, break_on_hyphens=False, break_long_words=False, drop_whitespace=True)
    ]
    assert said(lines) == said(LOG)


@pytest.mark.parametrize("width", [80, 100, 132])
def test_broken_lines_of_compose_in_a_quotation(width: int) -> None:
    lines = [f"> {line}" for line in broken(tuple(f"vllm-1  | {line}" for line in LOG), width)]
    assert said(lines) == said(LOG)


def test_a_number_cut_in_two_is_not_read_by_halves() -> None:
    """ "...length is 652" at the end of a line would be a length, too."""
    cut = LOG[-1].index("65216") + 3
    lines = [*LOG[:-1], *broken((LOG[-1],), cut)]
    assert ("estimated_max_model_len", 65216.0, "EngineCore_DP0") in said(lines)["readings"]


def test_arguments_that_go_over_a_line_are_not_read_by_halves() -> None:
    cut = LOG[1].index("131072") + 2
    start = parse_lines([LOG[0], *broken((LOG[1],), cut), *LOG[3:]], path="x").last
    assert start.arguments["max_model_len"] == 131072


def test_lines_that_only_follow_each_other_stay_apart() -> None:
    """Two ranks' lines without vLLM's own beginning are two."""
    start = parse_lines(["Model loading took 15.00 GiB", "Available KV cache memory: 3.00 GiB"], path="x").last
    assert start.line == 1
    assert [reading.line for reading in start.readings] == [1, 2]


def test_the_report_around_a_log_is_kept_line_by_line() -> None:
    log = parse_lines(["> I ran", "> vllm serve x", LOG[0], LOG[3], "> and it failed"], path="x")
    assert log.text.split("\n") == ["I ran", "vllm serve x", "", "", "and it failed"]


@pytest.mark.parametrize(
    "line",
    [
        "a" * 60,
        "> " * 30 + "x",
        "x | " * 15,
        "(" * 60,
        "GiB " * 15,
        "INFO " * 12,
        "2026-11-29T20:14:52Z " * 3,
        "| 0 N/A | 1MiB / 2MiB | " * 3,
        "max seq len (1), (1 GiB KV cache is needed, which",
    ],
)
def test_time_grows_with_the_text_and_no_more(line: str) -> None:
    """Four times the lines take at most about four times as long, whatever they are."""

    def seconds(count: int) -> float:
        lines = [line] * count + ["INFO 12-15 19:05:20 [x.py:1] Model loading took 1.0 GiB"]
        before = time.process_time()
        parse_lines(lines, path="x")
        return time.process_time() - before

    seconds(100)
    few, many = min(seconds(2000) for _ in range(2)), seconds(8000)
    assert many < 10 * few + 0.2


def test_a_start_that_says_nothing_is_still_a_start() -> None:
    """Where a report has the command alone."""
    assert parse_lines(["vllm serve Qwen/Qwen3-8B"], path="x").last == EngineStart(line=0)
