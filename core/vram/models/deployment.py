"""What the user asks for: vLLM's engine arguments, the GPU, the workload and the policy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from vram.errors import InputError, UnknownNameError
from vram.models.argument_values import (
    counts_of_items,
    names_or_numbers,
    number,
    of_its_kind,
    one_of,
    redundant_experts,
    whole,
)
from vram.models.profile import Gpu
from vram.models.record import evolve, field, frozen, record_fields
from vram.models.serve_flags import serve_flags

if TYPE_CHECKING:
    from attrs import Attribute

_STATE_DTYPE = one_of("auto", "bfloat16", "float16", "float32")


def _arg(
    default: Any,
    text: str,
    *,
    short: tuple[str, ...] = (),
    check: Callable[[Any, Attribute[Any], Any], None] | None = None,
    eq: bool = True,
) -> Any:
    """One engine argument: `text` is its help on the command line, `short` are further spellings of its flag."""
    return field(default=default, validator=check, eq=eq, metadata={"help": text, "short": short})


@frozen(kw_only=True)
class EngineArgs:
    """vLLM's engine arguments that decide memory, under vLLM's names; None is vLLM's default.

    One line is one argument of the library, one flag of every command, and what a pasted `vllm serve` is read for; what it
    changes is a rule elsewhere. `not_modelled` are others of vLLM's that were given, which decide memory in a way no rule here
    knows (models/serve_flags.txt). `max_model_len` -1 asks for auto-fit.
    Raises InputError on impossible values.
    """

    # fmt: off
    tensor_parallel_size: int = _arg(1, "GPUs each layer is divided over.", short=("--tp", "-tp"), check=whole())
    pipeline_parallel_size: int = _arg(1, "Groups of GPUs the layers are divided over.", short=("--pp", "-pp"), check=whole())
    data_parallel_size: int = _arg(1, "Independent replicas.", short=("--dp", "-dp"), check=whole())
    prefill_context_parallel_size: int = _arg(1, "GPUs one prompt is divided over.", short=("--pcp",), check=whole())
    decode_context_parallel_size: int = _arg(1, "Ranks one request's KV cache is divided over.", short=("--dcp",), check=whole())
    enable_expert_parallel: bool = _arg(False, "Divide experts, not their width, over GPUs.")
    moe_backend: str = _arg("auto", "The kernel that runs experts: auto, triton, marlin, flashinfer_trtllm ...")
    dtype: str = _arg("auto", "auto, half, float16, bfloat16, float32.")
    quantization: str | None = _arg(None, "A quantization method, where the checkpoint does not say.", short=("--quant", "-q"))
    kv_cache_dtype: str = _arg("auto", "auto, fp8, fp8_e4m3, fp8_e5m2, bfloat16 ...", short=("--kv-dtype",))
    max_model_len: int | None = _arg(None, "Context in tokens; -1 or auto: vLLM fits it.", short=("--max-seq-len", "-c"), check=whole(-1))
    max_num_seqs: int | None = _arg(None, "Most sequences in one batch.", check=whole())
    max_num_batched_tokens: int | None = _arg(None, "Most tokens in one batch.", check=whole())
    gpu_memory_utilization: float | None = _arg(None, "Share of the GPU's memory vLLM may use.", check=number(0, 1, exclusive=True))
    kv_cache_memory_bytes: int | None = _arg(None, "A fixed KV cache pool in bytes.", check=whole())
    num_gpu_blocks_override: int | None = _arg(None, "A fixed number of KV blocks.", check=whole())
    block_size: int | None = _arg(None, "Tokens per KV block.", check=whole())
    attention_backend: str | None = _arg(None, "An attention backend by name, in place of vLLM's own choice.")
    enforce_eager: bool = _arg(False, "No CUDA graphs.")
    compilation_config: Mapping[str, object] | None = _arg(None, "JSON: cudagraph_mode, mode ...", short=("-cc",), eq=False)
    optimization_level: int | None = _arg(None, "0: no graphs, 1: piecewise.", check=one_of(0, 1, 2, 3))
    performance_mode: str = _arg("balanced", "Favour latency or throughput.", check=one_of("balanced", "interactivity", "throughput"))
    cpu_offload_gb: float = _arg(0.0, "GiB of weights kept in host memory.", check=number(0, 1e6))
    offload_backend: str = _arg("auto", "auto, uva or prefetch.", check=one_of("auto", "uva", "prefetch"))
    offload_group_size: int = _arg(0, "Layers of a group whose last ones stay on the host; 0: none do.", check=whole(0))
    offload_num_in_group: int = _arg(1, "Layers of each group that stay on the host.", check=whole())
    offload_prefetch_step: int = _arg(1, "Layers fetched ahead.", check=whole(0))
    enable_lora: bool = _arg(False, "Reserve LoRA slots.")
    max_loras: int = _arg(1, "LoRA adapters in one batch.", check=whole())
    max_lora_rank: int = _arg(16, "Largest LoRA rank.", check=one_of(1, 8, 16, 32, 64, 128, 256, 320, 512))
    lora_dtype: str = _arg("auto", "dtype of LoRA weights.", check=one_of("auto", "bfloat16", "float16"))
    fully_sharded_loras: bool = _arg(False, "Divide all of LoRA's computation over the ranks.")
    speculative_config: Mapping[str, object] | None = _arg(None, "JSON, as vLLM takes it.", check=names_or_numbers, eq=False)
    limit_mm_per_prompt: Mapping[str, object] | None = _arg(None, "JSON, as vLLM takes it.", check=counts_of_items, eq=False)
    language_model_only: bool = _arg(False, "Leave vision and audio towers out.")
    mm_encoder_tp_mode: str = _arg("weights", "weights or data.", check=one_of("weights", "data"))
    mm_processor_kwargs: Mapping[str, object] | None = _arg(None, "JSON: what the model's processor is told.", eq=False)
    skip_mm_profiling: bool = _arg(False, "Do not profile the vision or audio encoder.")
    enable_chunked_prefill: bool | None = _arg(None, "Chunked prefill.")
    async_scheduling: bool | None = _arg(None, "Schedule a batch ahead of the one that runs.")
    enable_prefix_caching: bool | None = _arg(None, "Prefix caching.")
    mamba_cache_dtype: str = _arg("auto", "dtype of convolution states.", check=_STATE_DTYPE)
    mamba_ssm_cache_dtype: str = _arg("auto", "dtype of recurrent states.", check=_STATE_DTYPE)
    mamba_cache_mode: str | None = _arg(None, "How recurrent states are cached.", check=one_of("none", "align", "all"))
    mamba_block_size: int | None = _arg(None, "Tokens between kept recurrent states.", check=whole())
    disable_hybrid_kv_cache_manager: bool = _arg(False, "One KV group for every layer kind.")
    disable_sliding_window: bool = _arg(False, "No context beyond the sliding window.")
    swap_space: float | None = _arg(None, "Host swap space in GiB (vLLM before 0.18).", check=number(0, 1e6))
    allow_deprecated_quantization: bool = _arg(False, "Take formats that vLLM is about to drop.")
    enable_sleep_mode: bool = _arg(False, "Let the engine give its memory back while it sleeps.")
    runner: str = _arg("auto", "auto, generate, pooling or draft; or a task of vLLM before 0.13.")
    convert: str = _arg("auto", "auto, none, embed or classify.")
    hf_overrides: Mapping[str, object] | None = _arg(None, "JSON: fields of the model's config in place of its own.", eq=False)
    kv_cache_dtype_skip_layers: Sequence[str] | None = _arg(None, "Layers whose cache stays as the model is.", eq=False)
    enable_eplb: bool = _arg(False, "Balance experts over GPUs, with redundant ones.")
    eplb_config: Mapping[str, object] | None = _arg(None, "JSON: num_redundant_experts ...", check=redundant_experts, eq=False)
    disable_custom_all_reduce: bool = _arg(False, "All-reduce by NCCL alone.")
    environment: Mapping[str, str] | None = _arg(None, "NAME=VALUE in its environment.", short=("--env",), eq=False)
    not_modelled: tuple[str, ...] = ()
    # fmt: on

    @classmethod
    def from_mapping(cls, values: Mapping[str, object], *, beside: Iterable[str] | None = None) -> EngineArgs:
        """From keyword arguments, None for a default. Raises UnknownNameError for a name vLLM or this program does not have.

        `beside` are the other arguments of the function that was called, which may have been meant.
        """
        return cls(**_checked(values, beside))

    def changed(self, values: Mapping[str, object]) -> EngineArgs:
        """The same but for these, None for a default. Raises UnknownNameError as `from_mapping` does."""
        return evolve(self, **_checked(values)) if values else self

    @property
    def experts_kernel(self) -> str:
        """`moe_backend`; "auto" beside a --quantization-config, which may say that experts run on what their backend is for."""
        return "auto" if "quantization_config" in self.not_modelled else self.moe_backend


#: keys of a mapping that are arguments of their own, too
_INSIDE = {"attention_config": ("backend", "attention_backend"), "kernel_config": ("moe_backend", "moe_backend")}


def in_own_words(values: Mapping[str, object]) -> dict[str, Any]:
    """The same with arguments that are another in other words (`spec_method`, `rope_theta`) under that one's name.

    Raises InputError where both are given (`engine/arg_utils.py:create_engine_config`: "mutually exclusive").
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        inside, own_name = _INSIDE.get(name, ("", ""))
        if inside and isinstance(value, Mapping) and inside in value:
            found[own_name] = value[inside]
            if len(value) == 1:
                continue
        flag = serve_flags().get(name)
        if flag is None or flag.effect != "same" or value is None:
            own = found.get(name)
            given = dict(value) if isinstance(value, Mapping) else value
            if name == "speculative_config" and isinstance(given, dict):  # `create_speculative_config`
                given = {str(key).replace("-", "_"): one for key, one in given.items()}
            found[name] = {**given, **own} if isinstance(own, dict) and isinstance(given, dict) else given
            continue
        target, _, constant = flag.same_as.partition("=")
        target, _, key = target.partition(".")
        given = values.get(target)
        if key and isinstance(given, Mapping) and key in given:
            raise InputError(name=name, value=value, problem=f"and {flag.same_as} are mutually exclusive")
        if key:
            found[target] = {**(found.get(target) or {}), key: value}
        elif value is not False:
            found[target] = constant or value
    return found


#: options of the commands that are not called as the library's argument is
_OPTIONS = {
    "vram_gib": "gpu_memory_gib", "vram_gb": "gpu_memory_gib", "total_vram_gib": "gpu_memory_gib", "context_k": "max_model_len",
    "batch": "concurrency", "max_active_seqs": "concurrency", "headroom_gib": "policy",
    "fragmentation_factor": "policy", "overhead_gib": "policy",
}  # fmt: skip


def _unknown(name: str, beside: Iterable[str] | None) -> UnknownNameError:
    """The error for an argument that nobody has, with what is called nearly so, or is its option's short name on a command line."""
    others = tuple(beside or ())
    kinds, flags = record_fields(EngineArgs), serve_flags()
    known = (*others, *ENGINE_DEFAULTS, *(flag.name for flag in flags.values() if flag.effect != "modelled"))
    short = {one: each for each in ENGINE_DEFAULTS for one in kinds[each].metadata["short"]}
    short |= {one: flag.name for flag in flags.values() for one in flag.short}
    also = {each.replace("_", "-"): each for each in known} | _OPTIONS if others else {}
    also |= {one.lstrip("-").replace("-", "_"): each for one, each in short.items() if each in known}
    kind = "argument" if others else "engine argument"
    return UnknownNameError(
        kind=kind, name=name, known=known, also={one: each for one, each in also.items() if each in known}
    )


def _checked(values: Mapping[str, object], beside: Iterable[str] | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {}
    others: list[str] = []
    kinds = record_fields(EngineArgs)
    for name, value in in_own_words(values).items():
        flag = serve_flags().get(name)
        if name in ENGINE_DEFAULTS:
            found[name] = ENGINE_DEFAULTS[name] if value is None else of_its_kind(name, kinds[name].type, value)
        elif flag is None or flag.effect == "modelled":
            raise _unknown(name, beside)
        if flag is not None and flag.effect == "decides" and value not in (None, False):
            others.append(name)
    return {**found, "not_modelled": tuple(others)} if others else found


#: engine arguments with what vLLM takes where nobody says otherwise
ENGINE_DEFAULTS: Mapping[str, Any] = {
    name: one.default for name, one in record_fields(EngineArgs).items() if one.metadata
}


#: engine arguments that take a mapping, which is JSON where it is typed
JSON_VALUED = tuple(name for name, one in record_fields(EngineArgs).items() if "Mapping" in one.type)


@frozen(kw_only=True)
class Policy:
    """When an answer counts as fitting.

    `overhead_gib` replaces the profile by a fixed figure; `fragmentation_factor` None is the profile's own.
    """

    headroom_gib: float = field(default=1.0, validator=number(0, 1e6))
    fragmentation_factor: float | None = field(default=None, validator=number(1, 10))
    overhead_gib: float | None = field(default=None, validator=number(0, 1e6))


@frozen(kw_only=True)
class Deployment:
    """Everything resolved: no None is left but where vLLM itself keeps one.

    `max_model_len` is the length asked for, or the model's; after auto-fit the plan has the final one. `used_memory_bytes` is what
    other processes hold, where that is known, `free_memory_bytes` what vLLM then finds free. `v0_engine` and `v2_runner` are which
    engine and which model runner serve.
    """

    args: EngineArgs = field(repr=False)
    gpu: Gpu
    gpu_memory_bytes: int
    vllm_version: tuple[int, int, int]
    dtype: str
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    gpu_memory_utilization: float
    num_speculative_tokens: int = 0
    concurrency: int = 1
    free_memory_bytes: int | None = None
    used_memory_bytes: int | None = None
    v0_engine: bool = False
    v2_runner: bool = True

    @property
    def charges_others(self) -> bool:
        """Whether what other processes hold is taken out of this vLLM's budget, see `charges_all_in_use`."""
        return charges_all_in_use(self.vllm_version, v0_engine=self.v0_engine)

    @property
    def tp(self) -> int:
        return self.args.tensor_parallel_size

    @property
    def pp(self) -> int:
        return self.args.pipeline_parallel_size


def charges_all_in_use(version: tuple[int, int, int], *, v0_engine: bool) -> bool:
    """Whether the budget pays for all that is in use on the device, CUDA's own context among it: on V1 to 0.9.0.

    V0, and V1 since 0.9.1, subtract what came after a first reading, and V1 since then asks once for so much free memory
    (`v1/worker/gpu_worker.py:determine_available_memory`, `worker/worker.py`).
    """
    return not v0_engine and version < (0, 9, 1)


def checked_concurrency(value: int) -> int:
    """A positive count. Raises InputError."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 2**31:
        raise InputError(name="concurrency", value=value, problem="must be a whole number from 1 to 2^31")
    return value
