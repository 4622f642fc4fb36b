"""The page's fields: their names (the library's), what people call them, and which of them make a question."""

from __future__ import annotations

from vram.models.record import frozen


@frozen(kw_only=True)
class Field:
    """One field. `kind`: "count" (32,768, 32k), "number", "text", "choice" or "switch"; `unset` is what an empty one means."""

    name: str
    label: str
    kind: str = "text"
    unset: str = ""
    choices: tuple[str, ...] = ()


def _field(name: str, label: str, kind: str = "text", unset: str = "", *choices: str) -> Field:
    return Field(name=name, label=label, kind=kind, unset=unset, choices=choices)


SENTENCE = (
    _field("model", "Model"),
    _field("gpus", "Number of GPUs", "count", "1"),
    _field("gpu", "GPU"),
    _field("max_model_len", "Context, tokens per request", "count", "its longest"),
    _field("concurrency", "Users, requests at once", "count", "1"),
)
MORE = (
    _field("quantization", "Quantization while loading", "choice", "as stored"),
    _field("kv_cache_dtype", "KV cache dtype", "choice", "auto"),
    _field("gpu_memory_utilization", "Share of the GPU's memory", "number", "vLLM's own"),
    _field("vllm_version", "vLLM version", "text", "newest"),
    _field("max_num_seqs", "Sequences per step", "count", "vLLM's own"),
    _field("max_num_batched_tokens", "Tokens per step", "count", "vLLM's own"),
    _field("tensor_parallel_size", "Tensor parallel size", "count", "the number of GPUs"),
    _field("pipeline_parallel_size", "Pipeline parallel size", "count", "1"),
    _field("data_parallel_size", "Data parallel size", "count", "1"),
    _field("dtype", "Dtype", "choice", "auto", "bfloat16", "half", "float32"),
    _field("gpu_memory_gib", "Memory of the GPU, GiB", "number", "the GPU's"),
    _field("used_gib", "Held by other processes, GiB", "number", "nothing"),
    _field("headroom_gib", "Headroom to keep, GiB", "number", "1"),
    _field("overhead_gib", "Fixed overhead, GiB", "number", "by the profile"),
    _field("fragmentation_factor", "Factor on the KV cache", "number", "by the profile"),
    _field("profile", "Overhead profile", "choice", "the GPU's"),
    _field("revision", "Revision on the Hub", "text", "main"),
    _field("enforce_eager", "No CUDA graphs (eager)", "switch"),
    _field("enable_expert_parallel", "Expert parallel", "switch"),
    _field("flags", "Other flags of vllm serve"),
)
BY_HAND = (
    _field("params_billion", "Parameters, 10⁹", "number"),
    _field("layers", "Layers", "count"),
    _field("kv_heads", "KV heads", "count"),
    _field("head_dim", "Size of a head", "count"),
    _field("hidden_size", "Width", "count"),
    _field("vocab_size", "Vocabulary", "count"),
    _field("vision_gib", "Vision tower, GiB", "number"),
)
WORK = (
    _field("prompt_tokens", "Tokens of a prompt", "count", "1,024, or what fits"),
    _field("gen_tokens", "Tokens of an answer", "count", "256, or what fits"),
    _field("ttft_ms", "First token within, ms", "number", "no target"),
    _field("tpot_ms", "Each further token within, ms", "number", "no target"),
    _field("requests_per_second", "Requests that arrive a second", "number", "no target"),
    _field("percentile", "Requests of 100 that keep this", "choice", "50", "95"),
)
#: parallel sizes, which together are the number of GPUs
SIZES = ("tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size")
#: those that are targets of speed, as the command line has them
TARGETS = ("ttft_ms", "tpot_ms", "requests_per_second")
TABLE = (
    _field("filter", "Only GPUs called"),
    _field("kind", "Kind of GPU", "choice", "all but edge", "datacenter", "workstation", "consumer", "edge"),
    _field("prices", "Prices per GPU and hour"),
)
RUN = (
    _field("batching_mode", "What matters more", "choice", "balanced", "throughput", "latency"),
    _field("goal", "Of what keeps the targets", "choice", "cost", "latency", "throughput"),
)
HIDDEN = (_field("view", "Tab"), _field("sort", "Sorted by"), _field("ask", "Question"))

ALL = {field.name: field for field in (*SENTENCE, *MORE, *BY_HAND, *WORK, *TABLE, *RUN, *HIDDEN)}
VIEWS = {"": "Answer", "gpus": "Which GPU", "run": "How to run it", "check": "Check what I have"}

#: fields of which one makes the address a question of its own, to which no default model is added
_ASKING = frozenset(field.name for field in (*SENTENCE, *MORE, *BY_HAND))
#: the question of a page that was opened without one: it fits, so that what fits is seen first
DEFAULTS = {"model": "Qwen/Qwen3-8B", "gpu": "RTX 4090", "max_model_len": "16384", "concurrency": "1"}


def label_of(name: str) -> str:
    """What people call a field; the name itself where the page has no such field."""
    return ALL[name].label if name in ALL else name.replace("_", " ")


def with_defaults(state: dict[str, str]) -> dict[str, str]:
    """The state with what a sentence needs: all defaults where nothing was asked, else a model and a GPU."""
    if not _ASKING & state.keys():
        return {**DEFAULTS, **state}
    found = dict(state)
    if not {"model", *(field.name for field in BY_HAND)} & found.keys():
        found["model"] = DEFAULTS["model"]
    if not {"gpu", "gpu_memory_gib", "profile"} & found.keys():
        found["gpu"] = DEFAULTS["gpu"]
    return found


def differing(state: dict[str, str]) -> str:
    """What of the folded fields was set, in words; "" where all is as it comes."""
    told = []
    for field in (*MORE, *BY_HAND):
        value = state.get(field.name, "")
        if value:
            told.append(field.label if field.kind == "switch" else f"{field.label} {value}")
    return " · ".join(told)
