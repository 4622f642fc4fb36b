"""What tables of ways to run a model say of each: why it does not fit, and what its speed is of."""

from __future__ import annotations

from vram.models.performance import Workload
from vram.models.targets import Targets

#: by what judges a cell (`vram.ask.Cell.obstacle`), and what keeps it from being asked
OBSTACLES = {
    "weights": "the weights are too large",
    "cache_blocks": "no room for a KV cache",
    "kv_cache_length": "no room for one request",
    "policy": "not enough for all requests",
    "architecture": "not in this vLLM",
    "format": "the GPU lacks the format",
    "parallelism": "cannot be divided so",
    "quantization": "cannot be stored so",
    "max_model_len": "longer than the model's maximum",
    "graph_capture": "no room for CUDA graphs",
    "free_memory": "other processes hold it",
    "cpu_offload": "cannot be offloaded so",
    "mamba_blocks": "too few blocks for recurrent states",
}


def speed_of(load: Workload) -> str:
    """What a column of speed is of, without the end of the sentence."""
    tokens = f"{load.prompt_tokens:,} tokens in and {load.gen_tokens:,} out each"
    return f"Speed is an estimate: {load.concurrency} at once, {tokens}"


def shared_speed_of(load: Workload) -> str:
    """The same of one replica of several."""
    return f"Speed is an estimate of one replica with its share, {load.prompt_tokens:,} tokens in and {load.gen_tokens:,} out each"


def kept_words(targets: Targets, load: Workload) -> str:
    """What targets ask for, as a phrase."""
    parts = [f"{targets.requests_per_second:g} requests/s"] if targets.requests_per_second is not None else []
    parts += [f"{load.concurrency:,} users"] if load.concurrency > 1 or not parts else []
    parts += [f"first token ≤ {targets.ttft_ms:,g} ms"] if targets.ttft_ms is not None else []
    parts += [f"≤ {targets.tpot_ms:,g} ms a token"] if targets.tpot_ms is not None else []
    return ", ".join(parts)
