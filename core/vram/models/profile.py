"""GPUs with their hardware facts, and the overhead constants calibrated on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from vram.models.interval import Interval, Provenance
from vram.models.platform import platform_name
from vram.models.record import frozen
from vram.units import GIB

GpuKind = Literal["data centre", "workstation", "consumer", "laptop", "embedded", "partition"]
Link = Literal["nvlink", "xgmi", "pcie"]
#: what `dense_flops` may name
RATES = ("fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4")
#: the constants that formulas ask for, their unit in the name (`estimate/memory/constants.py`, `overhead.py`)
CONSTANT_NAMES = frozenset(
    [
        "activation_spread",
        "context_bytes",
        "first_start_bytes",
        "fixed_overhead_bytes",
        "fixed_overhead_fraction",
        "forward_hidden_factor",
        "forward_hidden_factor_v2",
        "fused_all_reduce_bytes",
        "fused_all_reduce_rank_bytes",
        "gpu_memory_spread",
        "graph_all_reduce_bytes",
        "graph_base_bytes",
        "graph_base_bytes_v2",
        "graph_charged_compressed_layer_bytes",
        "graph_charged_share",
        "graph_fixed_bytes",
        "graph_gated_delta_layer_bytes",
        "graph_latent_layer_bytes",
        "graph_layer_bytes",
        "graph_layer_bytes_v2",
        "graph_mamba_layer_bytes",
        "graph_spread",
        "library_workspace_bytes",
        "non_torch_bytes",
        "per_extra_gpu_bytes",
        "sampler_sort_bytes",
        "tensor_parallel_bytes",
        "tensor_parallel_pair_bytes",
        "tensor_parallel_rank_bytes",
        "weights_spread",
    ]
)
#: factors on what a GPU's speed is made of, which a machine's own benchmarks give (`advise/efficiency.py:factors_of`)
SPEED_FACTORS = frozenset(["speed_bandwidth", "speed_client_ms", "speed_flops", "speed_link", "speed_step_us"])
#: CUDA's own memory of a process, from logs with "Free memory on device"
CUDA_CONTEXT = Interval(low=GIB * 3 // 8, expected=GIB // 2, high=GIB * 3 // 4, provenance="measured")
#: the most that NCCL's first buffers were seen to take; since 0.11 before vLLM looks at what is free (`gpu_worker.py:init_device`)
NCCL_BUFFERS = GIB


@frozen(kw_only=True)
class Gpu:
    """One GPU model, or a slice of one.

    `memory_bytes` is the total CUDA reports (cudaMemGetInfo), not the number on the box, which is up to a tenth more and is what
    `min_memory_gib` of `vram.compare` speaks of; it moves by some hundred MiB
    with the driver, so `memory_readings` (bytes, ascending) holds every total seen, and `memory_provenance` says whether
    it was read off a machine. `compute_capability` is (9, 0), or the `Chip` of another platform's GPU. `bandwidth` is bytes/s,
    `dense_flops` (dtype name, operations/s without sparsity, FP32 accumulation for floating point), `interconnect` bytes/s per
    GPU between GPUs of one machine, in one direction, over `link`. `board_power` is watts. `unified_memory`: the host's own memory
    is the GPU's, of which `usually_free_bytes` are free when nothing runs. `board_memory_bytes` is what NVML tells of a MIG slice:
    the whole GPU's. `driver_names` are what the driver prints; `source` says where the facts are from. `logged`: starts on it are
    among those that the family's constants are fitted to.
    """

    name: str
    family: str
    memory_bytes: int
    compute_capability: tuple[int, int]
    bandwidth: float
    dense_flops: tuple[tuple[str, float], ...] = ()
    interconnect: float | None = None
    link: Link | None = None
    sm_count: int | None = None
    board_power: float | None = None
    kind: GpuKind = "data centre"
    unified_memory: bool = False
    usually_free_bytes: int | None = None
    board_memory_bytes: int | None = None
    memory_provenance: Provenance = "assumed"
    memory_readings: tuple[int, ...] = ()
    memory_source: str = ""
    aliases: tuple[str, ...] = ()
    driver_names: tuple[str, ...] = ()
    source: str = ""
    logged: bool = False

    @property
    def platform(self) -> str:
        """ "cuda", or the platform of its chip ("rocm")."""
        return platform_name(self.compute_capability)

    def flops(self, dtype: str) -> float | None:
        """Dense operations/s of `dtype` ("fp16", "bf16", "fp8", "int8", "fp4", "tf32"); None: the chip has none."""
        return next((rate for name, rate in self.dense_flops if name == dtype), None)


@frozen(kw_only=True)
class Constant:
    """One calibrated number: `value` with its spread, for vLLM versions in [since, until).

    `low`/`high` bound the value as measured; `samples` counts the runs behind it.
    """

    name: str
    value: float
    low: float
    high: float
    provenance: Provenance
    source: str
    samples: int = 0
    since: tuple[int, int, int] = (0, 0, 0)
    until: tuple[int, int, int] | None = None

    def times(self, count: float) -> Interval:
        """What so many of them are together, in whole units of the constant's (bytes, mostly)."""
        low, expected, high = (int(each * count) for each in (self.low, self.value, self.high))
        return Interval(low=low, expected=expected, high=high, provenance=self.provenance)


@frozen(kw_only=True)
class OverheadProfile:
    """Everything a GPU family's file says. `calibrated` is False where nothing was measured, as in `generic`.

    `gpu` and `gpu_count` are what a preset such as `hopper_80gb` stands for when nothing else is asked.
    Without a calibrated one, max(1 GiB, 2 % of the memory) + 0.25 GiB per further tensor-parallel rank is taken.
    """

    name: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    gpus: Sequence[Gpu] = ()
    constants: Sequence[Constant] = ()
    calibrated: bool = True
    fragmentation_factor: float = 1.0
    gpu: str | None = None
    gpu_count: int | None = None
    source: str = ""


@frozen(kw_only=True, eq=False)
class Hardware:
    """A GPU as it is asked about: its overhead `profile`, the memory it is said to have, what other processes hold of it before vLLM
    starts, where that is known, the `name` it was asked for by.
    """

    gpu: Gpu
    profile: OverheadProfile
    memory_bytes: int
    used_bytes: int | None = None
    name: str = ""

    @property
    def free_memory_bytes(self) -> int | None:
        """What vLLM finds free at its start, beside its own CUDA context; None where nobody knows what others hold."""
        usual = self.gpu.usually_free_bytes
        if usual is None and self.used_bytes is None:
            return None
        taken = CUDA_CONTEXT.expected if usual is None else self.gpu.memory_bytes - usual
        return max(0, self.memory_bytes - taken - (self.used_bytes or 0))
