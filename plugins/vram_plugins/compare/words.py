"""What tables of ways to run a model say of each: why it does not fit, and what its speed is of."""

from __future__ import annotations

from vram.models.performance import Workload

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
