"""How far a start got before it failed.

Functions are those of vLLM 0.6.6, 0.8.5, 0.10.2, 0.16.0, 0.24.0 and 0.33.0 (`v1/worker/gpu_worker.py`, `gpu_model_runner.py`,
`v1/worker/gpu/model_runner.py`, `worker/worker.py`, `worker/model_runner.py`); lines are `patterns.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from vram_plugins.logs.records import EngineStart

Stage = Literal["arguments", "config", "device", "weights", "profiling", "kv_cache", "graphs", "sampler", "serving"]

#: stages in the order in which a start passes them, as the end of "failed while …"
WORDS: Mapping[Stage, str] = {
    "arguments": "its arguments were read",
    "config": "model and configuration were checked",
    "device": "it took hold of the GPU",
    "weights": "the weights were loaded",
    "profiling": "the profile run measured the activation peak",
    "kv_cache": "the KV cache was sized and allocated",
    "graphs": "CUDA graphs were captured",
    "sampler": "the sampler was warmed up",
    "serving": "it served",
}

#: where a trace of calls passes, by function; of several stages the first here counts, as the profile run calls the sampler, and
#: capture the model
_FUNCTIONS: tuple[tuple[Stage, frozenset[str]], ...] = (
    ("profiling", frozenset({"determine_available_memory", "determine_num_available_blocks", "profile_run"})),
    ("graphs", frozenset({"capture_model", "_capture_cudagraphs", "capture_graph", "capture"})),
    ("sampler", frozenset({"_dummy_sampler_run", "_dummy_pooler_run"})),
    (
        "kv_cache",
        frozenset(
            {
                "initialize_from_config", "initialize_kv_cache", "initialize_cache", "_allocate_kv_cache",
                "_allocate_kv_cache_tensors", "allocate_kv_cache", "init_kv_cache", "get_kv_cache_configs", "get_kv_cache_config",
                "check_enough_kv_cache_memory", "unify_kv_cache_configs", "_check_enough_kv_cache_memory",
            }
        ),
    ),
    ("graphs", frozenset({"compile_or_warm_up_model", "warm_up_model", "kernel_warmup", "warmup_kernels"})),
    (
        "weights",
        frozenset({"load_model", "load_weights", "create_weights", "process_weights_after_loading", "get_model"}),
    ),
    ("device", frozenset({"init_device", "init_worker_distributed_environment"})),
    ("serving", frozenset({"execute_model", "sample_tokens", "step", "run_busy_loop", "_process_engine_step"})),
    ("config", frozenset({"create_engine_config", "create_model_config", "get_config", "from_engine_args"})),
    ("arguments", frozenset({"parse_args", "parse_known_args"})),
)  # fmt: skip
FRAMES = frozenset[str]().union(*(names for _, names in _FUNCTIONS))
_BY_FAILURE: Mapping[str, Stage] = {
    "arguments": "arguments", "heads": "config", "bfloat16": "config", "derived_length": "config", "architecture": "config",
    "validation": "config", "gated": "config", "no_gpu": "device", "free_memory": "device", "shared_memory": "device",
    "not_enough_to_load": "weights", "profiling": "profiling", "no_cache_blocks": "kv_cache", "max_model_len": "kv_cache",
    "max_model_len_v0": "kv_cache", "auto_fit": "kv_cache", "mamba_blocks": "graphs", "sampler": "sampler",
}  # fmt: skip
#: by the lines that came before, the latest stage first: what is done when a line of that kind is printed
_AFTER: tuple[tuple[Stage, frozenset[str]], ...] = (
    ("serving", frozenset({"died"})),
    ("sampler", frozenset({"graphs", "kv in use"})),
    ("graphs", frozenset({"available", "tokens", "blocks", "V0 pool", "0.6 pool"})),
    ("profiling", frozenset({"weights", "old weights", "V0 weights", "usage"})),
)


def stage_of(start: EngineStart) -> Stage | None:
    """Where it failed; None for a start without a failure.

    The failure's own words decide, else the functions of the trace, else the lines before: after loading comes the profile run,
    after the cache's size its graphs, after those the sampler; without any of them, the weights.
    """
    told = [_BY_FAILURE[one.name] for one in start.failures if one.name in _BY_FAILURE]
    if told:
        return told[0]
    if not start.failures:
        return None
    by_trace = next((stage for stage, names in _FUNCTIONS if not names.isdisjoint(start.frames)), None)
    if by_trace is not None and by_trace not in ("config", "arguments"):
        return by_trace
    if start.ready:
        return "serving"
    before = {name for name in start.order if name not in {failure.name for failure in start.failures}}
    return next((stage for stage, names in _AFTER if before & names), "weights")
