"""Where a start failed: by vLLM's own words, by the functions of a trace, by the lines before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vram.errors import LogError
from vram_plugins.logs.parse import parse_lines
from vram_plugins.logs.stages import WORDS, stage_of

OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.96 GiB. GPU 0 has a total capacity of 23.52 GiB"
FACTS = Path(__file__).parents[4] / "shared" / "data" / "startup_logs.jsonl"
#: the facts' names of stages
STAGES = {
    "kv": "kv_cache", "profile": "profiling", "free_memory": "device", "weights": "weights", "graphs": "graphs",
    "sampler": "sampler",
}  # fmt: skip
#: what the facts have in numbers, as vLLM prints it
PRINTED = {
    "weights_gib": "Model loading took {} GiB and 3.0 seconds",
    "available_kv_gib": "Available KV cache memory: {} GiB",
    "cuda_graph_gib": "Graph capturing finished in 8 secs, took {} GiB",
}


def stage(*lines: str) -> str | None:
    return stage_of(parse_lines(lines, path="x").last)


def trace(*functions: str) -> list[str]:
    return [f'  File "/opt/vllm/some/file.py", line {number}, in {name}' for number, name in enumerate(functions, 1)]


@pytest.mark.parametrize(
    ("line", "where"),
    [
        ("vllm serve: error: unrecognized arguments: --no-such-flag", "arguments"),
        ("api_server.py: error: argument --max-model-len: invalid value", "arguments"),
        ("ValueError: Total number of attention heads (28) must be divisible by tensor parallel size (8).", "config"),
        ("pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig", "config"),
        ("ValueError: Model architectures ['NewForCausalLM'] are not supported for now. Supported", "config"),
        ("OSError: You are trying to access a gated repo.", "config"),
        ("RuntimeError: No CUDA GPUs are available", "device"),
        (
            "ValueError: Free memory on device (10.0/79.2 GiB) on startup is less than desired GPU memory utilization (0.9, 71.3 GiB)",
            "device",
        ),
        ("RuntimeError: Insufficient space in /dev/shm for shared-memory allocation: 240 MiB required", "device"),
        ("Bus error (core dumped)", "device"),
        ("Failed to load model - not enough GPU memory. Try lowering", "weights"),
        ("AssertionError: Error in memory profiling. Initial free memory 10.0 GiB", "profiling"),
        ("ValueError: No available memory for the cache blocks. Try", "kv_cache"),
        ("RuntimeError: max_num_seqs (1024) exceeds available Mamba cache blocks (311).", "graphs"),
        ("RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests.", "sampler"),
    ],
)
def test_vllms_own_words_decide(line: str, where: str) -> None:
    assert stage(line) == where
    assert where in WORDS


@pytest.mark.parametrize(
    ("functions", "where"),
    [
        (("load_model", "initialize_model", "create_weights"), "weights"),
        # the profile run calls the sampler; 0.6 to 0.10 call execute_model in it
        (("determine_available_memory", "profile_run", "_dummy_sampler_run"), "profiling"),
        (("determine_num_available_blocks", "profile_run", "execute_model"), "profiling"),
        (("initialize_from_config", "initialize_kv_cache", "_allocate_kv_cache_tensors"), "kv_cache"),
        (("compile_or_warm_up_model", "capture_model", "_dummy_run"), "graphs"),
        (("compile_or_warm_up_model", "_dummy_sampler_run"), "sampler"),
        (("run_busy_loop", "step", "execute_model"), "serving"),
    ],
)
def test_a_trace_decides_where_words_do_not(functions: tuple[str, ...], where: str) -> None:
    assert stage(*trace(*functions), OOM) == where


@pytest.mark.parametrize(
    ("before", "where"),
    [
        ((), "weights"),
        (("Model loading took 14.99 GiB and 3.0 seconds",), "profiling"),
        (("Model loading took 14.99 GiB and 3.0 seconds", "Available KV cache memory: 2.25 GiB"), "graphs"),
        (("Available KV cache memory: 2.25 GiB", "Graph capturing finished in 8 secs, took 0.51 GiB"), "sampler"),
        (("init engine (profile, create kv cache, warmup model) took 24.1 seconds",), "serving"),
        (("EngineCore encountered a fatal error.",), "serving"),
    ],
)
def test_without_either_the_lines_before_do(before: tuple[str, ...], where: str) -> None:
    assert stage("Using max model len 4096", *before, OOM) == where


@pytest.mark.parametrize(
    "line", ["reason: OOMKilled", "vllm-1 exited with code 137", "Exit code: -9", "terminated by signal 9"]
)
def test_a_process_that_was_killed_failed_where_it_was(line: str) -> None:
    assert stage("Using max model len 4096", line) == "weights"
    assert stage("Model loading took 14.99 GiB and 3.0 seconds", line) == "profiling"


def test_a_good_start_failed_nowhere() -> None:
    assert stage("Model loading took 14.99 GiB and 3.0 seconds") is None


def _failed() -> list[dict[str, Any]]:
    rows = map(json.loads, FACTS.read_text().splitlines()) if FACTS.exists() else ()
    return [row for row in rows if row.get("stage") in STAGES]


@pytest.mark.skipif(not FACTS.exists(), reason="the facts of real starts are not distributed")
def test_real_failures_are_told_where_they_were() -> None:
    """Those whose words are known. One has no line before its words ("Tried to allocate 192.00 GiB"), and is not told."""
    told = {}
    for row in _failed():
        lines = [text.format(row[name]) for name, text in PRINTED.items() if row.get(name) is not None]
        lines += f"{row.get('quote') or ''}; {row.get('notes') or ''}".split("; ")
        try:
            found = stage_of(parse_lines(lines, path="x").last)
        except LogError:
            continue
        if found is not None:
            told[row["id"]] = (found, STAGES[row["stage"]])
    wrong = {name for name, (found, real) in told.items() if found != real}
    assert len(told) >= 7
    assert wrong <= {"amd-102"}
