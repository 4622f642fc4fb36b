"""The lines of vLLM 0.6 to 0.33 that say something about memory, as data.

Group names are the readings' names; a group that ends in `_bytes` is a number of GiB in the text (vLLM prints "GB" for the
same unit before 0.8). Each quantifier is bounded and no pattern has an open `.*`, so that no line is slow to search.
"""

from __future__ import annotations

import re

from vram.models.record import frozen

_N = r"-?\d{1,12}(?:\.\d{1,12})?"
_COUNT = r"[\d,]{1,20}"


@frozen(kw_only=True)
class LinePattern:
    """One kind of line. `since` and `until` are the versions that print it, for the reader only."""

    name: str
    pattern: re.Pattern[str]
    since: str = "0.6"
    until: str = "0.33"


def _line(name: str, text: str, *, since: str = "0.6", until: str = "0.33") -> LinePattern:
    return LinePattern(name=name, pattern=re.compile(text), since=since, until=until)


#: numbers vLLM measured or settled on
MEASURED: tuple[LinePattern, ...] = (
    _line("weights", rf"Model loading took (?P<weights_bytes>{_N}) GiB", since="0.8"),
    _line("four digits", r"Model loading took \d{1,6}\.\d{4} GiB", since="0.8", until="0.13"),
    _line("old weights", rf"Loading model weights took (?P<weights_bytes>{_N}) GB", until="0.7"),
    _line("available", rf"Available KV cache memory: (?P<available_kv_bytes>{_N}) GiB", since="0.9"),
    _line("tokens", rf"KV cache size: (?P<kv_tokens>{_COUNT}) tokens", since="0.8"),
    _line(
        "concurrency",
        rf"Maximum concurrency for (?P<concurrency_len>{_COUNT}) tokens per request: (?P<max_concurrency>{_N})x",
    ),
    _line("blocks", r"# (?:GPU|cuda|CUDA) blocks: (?P<num_blocks>\d{1,12})", until="0.9"),
    _line("graphs", rf"Graph capturing finished in \d{{1,6}} secs\.?,? took (?P<cuda_graph_bytes>{_N}) GiB"),
    _line("graph estimate", rf"Estimated CUDA graph memory: (?P<charged_graph_bytes>{_N}) GiB total", since="0.18"),
    _line(
        "memory",
        rf"Free memory on device (?:\S{{1,20}} )?\((?P<free_bytes>{_N})/(?P<total_bytes>{_N}) GiB\) on startup",
        since="0.9",
    ),
    _line(
        "request",
        rf"GPU memory utilization (?:is )?\((?P<gpu_memory_utilization>{_N}), (?P<requested_bytes>{_N}) GiB\)",
        since="0.9",
    ),
    _line("usage", rf"Actual usage is (?P<weights_bytes>{_N}) GiB for weight,", since="0.11", until="0.26"),
    _line("usage", rf"Actual usage is (?P<consumed_bytes>{_N}) GiB for consumed memory", since="0.27"),
    _line("peak", rf"(?P<activation_peak_bytes>{_N}) GiB for peak activation", since="0.11"),
    _line("non-torch", rf"(?P<non_torch_bytes>{_N}) GiB for non-torch memory", since="0.11", until="0.26"),
    _line("kv in use", rf"Current kv cache memory in use is (?P<available_kv_bytes>{_N}) GiB", since="0.11"),
    _line(
        "fixed pool",
        rf"Initial free memory (?P<free_bytes>{_N}) GiB, reserved (?P<kv_cache_memory_bytes>{_N}) ?GiB memory for KV",
        since="0.10",
    ),
    _line(
        "V0 total",
        rf"total_gpu_memory \((?P<total_bytes>{_N})GiB\) x gpu_memory_utilization \((?P<gpu_memory_utilization>{_N})\)",
        until="0.10",
    ),
    _line("V0 weights", rf"model weights take (?P<weights_bytes>{_N})GiB", until="0.10"),
    _line("V0 non-torch", rf"non_torch_memory takes (?P<non_torch_bytes>{_N})GiB", until="0.10"),
    _line("V0 peak", rf"PyTorch activation peak memory takes (?P<activation_peak_bytes>{_N})GiB", until="0.10"),
    _line("V0 pool", rf"reserved for KV Cache is (?P<available_kv_bytes>{_N})GiB", until="0.10"),
    _line(
        "0.6 total",
        rf"total_gpu_memory=(?P<total_bytes>{_N})GiB.{{1,120}}peak_torch_memory=(?P<peak_torch_bytes>{_N})GiB",
        until="0.6.4",
    ),
    _line(
        "0.6 pool",
        rf"non_torch_memory=(?P<non_torch_bytes>{_N})GiB kv_cache_size=(?P<available_kv_bytes>{_N})GiB "
        rf"gpu_memory_utilization=(?P<gpu_memory_utilization>{_N})",
        until="0.6.4",
    ),
    _line("graph pool", rf"(?P<cuda_graph_bytes>{_N}) GiB for CUDAGraph memory", since="0.11"),
    _line("debug weights", rf"weights memory: (?P<weights_bytes>{_N})GiB"),
    _line("debug peak", rf"torch peak memory increase: (?P<activation_peak_bytes>{_N})GiB"),
    _line("debug non-torch", rf"non-torch forward increase memory: (?P<non_torch_bytes>{_N})GiB", until="0.26"),
    _line("max length", r"Using max model len (?P<max_model_len>\d{1,12})"),
    _line("fitted length", r"Auto-fit max_model_len: reduced from \d{1,12} to (?P<fitted_max_model_len>\d{1,12})"),
    _line("batch", r"Chunked prefill is enabled with max_num_batched_tokens=(?P<max_num_batched_tokens>\d{1,12})"),
    _line("block size", r"Setting attention block size to (?P<attention_block_size>\d{1,9})"),
    _line("died", r"EngineCore encountered a fatal error|EngineDeadError", since="0.8"),
    _line("capacity", rf"has a total capacity of (?P<total_bytes>{_N}) GiB"),
)

#: how a start-up ends badly
FAILURES: tuple[LinePattern, ...] = (
    _line(
        "free_memory",
        rf"\((?P<free_bytes>{_N})/(?P<total_bytes>{_N}) GiB\) on startup is less than desired GPU memory utilization "
        rf"\((?P<gpu_memory_utilization>{_N}), (?P<requested_bytes>{_N}) GiB\)",
        since="0.9",
    ),
    _line("no_cache_blocks", r"No available memory for the cache blocks"),
    _line(
        "max_model_len",
        rf"max seq len \((?P<max_model_len>\d{{1,12}})\), \(?(?P<needed_kv_bytes>{_N}) GiB KV cache is needed, "
        rf"which is larger than the available KV cache memory \((?P<available_kv_bytes>{_N}) GiB\)",
        since="0.7",
    ),
    _line("estimated_length", r"estimated maximum model length is (?P<estimated_max_model_len>\d{1,12})", since="0.9"),
    _line(
        "max_model_len_v0",
        r"max seq len \((?P<max_model_len>\d{1,12})\) is larger than the maximum number of tokens that can be stored in "
        r"KV cache \((?P<kv_tokens>\d{1,12})\)",
        until="0.10",
    ),
    _line("auto_fit", r"Cannot auto-fit max_model_len: not enough GPU memory", since="0.14"),
    _line(
        "mamba_blocks",
        r"max_num_seqs \((?P<max_num_seqs>\d{1,12})\) exceeds available Mamba cache blocks \((?P<num_blocks>\d{1,12})\)",
    ),
    _line(
        "sampler", r"out of memory occurred when warming up sampler with (?P<dummy_requests>\d{1,12}) dummy requests"
    ),
    _line("profiling", r"Error in memory profiling\. Initial free memory"),
    _line(
        "heads",
        r"Total number of attention heads \((?P<heads>\d{1,12})\) must be divisible by tensor parallel size "
        r"\((?P<tensor_parallel_size>\d{1,12})\)",
    ),
    _line("bfloat16", r"Bfloat16 is only supported on GPUs with compute capability of at least"),
    _line(
        "derived_length",
        rf"User-specified max_model_len \((?P<max_model_len>\d{{1,12}})\) is greater than the derived max_model_len "
        rf"\(\w{{1,40}}=(?P<derived_max_model_len>{_N})",
    ),
    _line("no_gpu", r"No CUDA GPUs are available"),
    _line("not_enough_to_load", r"Failed to load model - not enough GPU memory", since="0.8"),
    _line("arguments", r"error: (?:unrecognized arguments?: |argument -\S{1,80}: )"),
    _line("architecture", r"Model architectures \[[^\]]{1,300}\] (?:are not supported|failed to be inspected)"),
    _line("gated", r"(?:Cannot access|trying to access a) gated repo"),
    _line("shared_memory", r"Insufficient space in /dev/shm for |shared memory segment /dev/shm/nccl|Bus error"),
    _line("killed", r"OOMKilled|[Ee]xit ?[Cc]ode:? (?:-9|137)\b|exited with code 137|[Ss]ignal:? 9\b|SIGKILL"),
    _line("validation", r"validation errors? for \w{0,40}(?:Config|EngineArgs)\b", since="0.8"),
    _line("out_of_memory", r"(?:CUDA|HIP) out of memory\. Tried to allocate (?P<wanted>[\d.]{1,20}) (?P<unit>[KMG]iB)"),
    _line("out_of_memory", r"torch\.(?:cuda\.)?OutOfMemoryError|CUDA error: out of memory"),
)

#: who started what
VERSION = re.compile(r"(?:vLLM (?:API )?server version|[▀█▄] {1,4}version) v?(?P<version>[\w.+-]{1,60})")
ENGINE = re.compile(r"Initializing an? (?:V[01] )?LLM engine \(v?(?P<version>[\w.+-]{1,60})\) with config: ?")
BANNER_MODEL = re.compile(
    r"(?:[▀█▄] {1,4}model {1,4}|server version [\w.+-]{1,60}, serving model )(?P<model>\S{1,300})"
)
NON_DEFAULT = re.compile(r"non-default args: (?=\{)")
NAMESPACE = re.compile(r"\bargs: Namespace\(")
DEVICE = re.compile(r"device_name=(?P<gpu>NVIDIA[\w .-]{1,60}?)(?:,|\.json|\b$)")
LISTED_GPU = re.compile(r"\bGPU \d{1,2}: (?P<gpu>(?:NVIDIA|Tesla|Quadro|GeForce) [\w .-]{1,60}?)(?: \(UUID|\s*$)")
PEER = re.compile(r"^\s{0,8}\((?P<rank>[A-Za-z][\w ]{0,40}?)(?: rank=(?P<number>\d{1,5}))? pid=\d{1,10}")
READY = re.compile(r"init engine \(profile, create kv cache, warmup model\) took|Application startup complete")

#: a call in a trace
FRAME = re.compile(r"line \d{1,7}, in (?P<function>[A-Za-z_]\w{0,80})")

#: versions that print a kind of line, for logs that do not say theirs: the first that a log has decides
TELLING: tuple[tuple[str, str], ...] = (
    ("0.6 total", "0.6.4"),
    ("old weights", "0.7.3"),
    ("V0 weights", "0.7.3"),
    ("blocks", "0.7.3"),
    ("four digits", "0.13.0"),
    ("non-torch", "0.26.0"),
)

#: a line without any of these is not looked at further
_WORTH_READING = re.compile(
    r"GiB|weights took|blocks: |KV cache size|tokens per request|block size to|max_num_batched_tokens=|max_num_seqs \(|"
    r"max_model_len|max model len|max seq len|server version|[▀█▄] {1,4}(?:version|model)|LLM engine|non-default args|"
    r"args: Namespace\(|device_name=|GPU \d{1,2}: |out of memory|OutOfMemory|memory profiling|cache blocks|attention heads|"
    r"Bfloat16|No CUDA GPUs|init engine|startup complete|not enough GPU|error: |architectures|gated repo|/dev/shm|"
    r"model length is|Bus error|OOMKilled|[Ee]xit ?[Cc]ode|with code 137|[Ss]ignal|SIGKILL|validation error|fatal error|EngineDead"
)
#: a piece of each of them: five times as fast to look for as their pattern, in lines that have none
_PIECES = (
    "GiB", "weights took", "blocks", "KV cache size", "tokens per request", "block size to", "max_num_", "max_model_len",
    "max model len", "max seq len", "server version", "▀", "█", "▄", "LLM engine", "non-default args", "args: Namespace(",
    "device_name=", "out of memory", "OutOfMemory", "memory profiling", "attention heads", "Bfloat16", "No CUDA",
    "not enough GPU", "init engine", "startup complete", "error", "architectures", "gated repo", "dev/shm",
    "model length is", "OOMKilled", "xit", "ode 137", "ignal", "SIGKILL", "EngineDead", *(f"GPU {n}" for n in range(10)),
)  # fmt: skip


def worth_reading(line: str) -> bool:
    """Whether a line may say something here."""
    return any(map(line.__contains__, _PIECES)) and _WORTH_READING.search(line) is not None
