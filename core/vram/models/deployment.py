"""What the user asks for: vLLM's engine arguments, the GPU, the workload and the policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from vram.errors import InputError, UnknownNameError
from vram.models.profile import Gpu
from vram.models.record import field, frozen, record_fields

if TYPE_CHECKING:
    from attrs import Attribute

_MAX = 2**40  # no count or length in a deployment is larger


def _count(low: int = 1) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator: None, or an integer of at least `low`."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is None:
            return
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= _MAX:
            raise InputError(name=attribute.name, value=value, problem=f"must be a whole number from {low} to 2^40")

    return check


def _number(low: float, high: float, *, exclusive: bool = False) -> Callable[[Any, Attribute[Any], Any], None]:
    """A validator: None, or a finite number within [low, high] (low excluded if `exclusive`)."""

    def check(_: Any, attribute: Attribute[Any], value: Any) -> None:
        if value is None:
            return
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not good or not low <= value <= high or (exclusive and value == low):
            raise InputError(name=attribute.name, value=value, problem=f"must be a number from {low:g} to {high:g}")

    return check


@frozen(kw_only=True)
class EngineArgs:
    """vLLM's engine arguments that decide memory, under vLLM's names; None is vLLM's default.

    `max_model_len` -1 asks for auto-fit. Raises InputError on impossible values.
    """

    tensor_parallel_size: int = field(default=1, validator=_count())
    pipeline_parallel_size: int = field(default=1, validator=_count())
    data_parallel_size: int = field(default=1, validator=_count())
    decode_context_parallel_size: int = field(default=1, validator=_count())
    enable_expert_parallel: bool = False
    dtype: str = "auto"
    quantization: str | None = None
    kv_cache_dtype: str = "auto"
    max_model_len: int | None = field(default=None, validator=_count(-1))
    max_num_seqs: int | None = field(default=None, validator=_count())
    max_num_batched_tokens: int | None = field(default=None, validator=_count())
    gpu_memory_utilization: float | None = field(default=None, validator=_number(0, 1, exclusive=True))
    kv_cache_memory_bytes: int | None = field(default=None, validator=_count())
    num_gpu_blocks_override: int | None = field(default=None, validator=_count())
    block_size: int | None = field(default=None, validator=_count())
    enforce_eager: bool = False
    cpu_offload_gb: float = field(default=0.0, validator=_number(0, 1e6))
    enable_lora: bool = False
    max_loras: int = field(default=1, validator=_count())
    max_lora_rank: int = field(default=16, validator=_count())
    lora_dtype: str = "auto"
    fully_sharded_loras: bool = False
    speculative_config: Mapping[str, object] | None = field(default=None, eq=False)
    limit_mm_per_prompt: Mapping[str, object] | None = field(default=None, eq=False)
    language_model_only: bool = False
    mm_encoder_tp_mode: str = "weights"
    skip_mm_profiling: bool = False
    enable_chunked_prefill: bool | None = None
    enable_prefix_caching: bool | None = None
    mamba_cache_dtype: str = "auto"
    mamba_ssm_cache_dtype: str = "auto"
    disable_hybrid_kv_cache_manager: bool = False
    disable_sliding_window: bool = False
    swap_space: float | None = field(default=None, validator=_number(0, 1e6))
    runner: str = "auto"

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> EngineArgs:
        """From keyword arguments. Raises UnknownNameError for a name vLLM or this program does not have."""
        known = tuple(record_fields(cls))
        for name in values:
            if name not in known:
                raise UnknownNameError(kind="engine argument", name=name, known=known)
        own = record_fields(cls)
        given = {k: v for k, v in values.items() if not (v is None and own[k].default is not None)}
        return cls(**given)  # type: ignore[arg-type]


@frozen(kw_only=True)
class Policy:
    """When an answer counts as fitting (design.md section 7).

    `overhead_gib` replaces the profile by a fixed figure; `fragmentation_factor` None is the profile's own.
    """

    headroom_gib: float = field(default=1.0, validator=_number(0, 1e6))
    fragmentation_factor: float | None = field(default=None, validator=_number(1, 10))
    overhead_gib: float | None = field(default=None, validator=_number(0, 1e6))


@frozen(kw_only=True)
class Deployment:
    """Everything resolved: no None is left but where vLLM itself keeps one.

    `max_model_len` is the length asked for, or the model's; after auto-fit the plan has the final one. `free_memory_bytes` is
    known only of this machine's own GPU.
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

    @property
    def tp(self) -> int:
        return self.args.tensor_parallel_size

    @property
    def pp(self) -> int:
        return self.args.pipeline_parallel_size
