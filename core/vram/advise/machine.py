"""A GPU as vLLM's kernels find it: the rates of its datasheet times the shares of them that are reached."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from vram.advise.efficiency import Efficiency, efficiency_of
from vram.errors import InputError
from vram.models.profile import Gpu
from vram.models.record import frozen

#: bytes/s of PCIe 4.0 x16 in one direction, for GPUs whose link is not known
_UNKNOWN_LINK = 31.5e9
#: bytes/s at which weights kept on the host are read (pinned memory, PCIe 4.0 x16 less its protocol)
_HOST_READ = 25e9
#: seconds that Python and torch need to launch one kernel without CUDA graphs (--enforce-eager); assumed, from one
#: measurement (A100, vLLM 0.9.1: 21 ms per token of a 14B AWQ model)
_EAGER_KERNEL = 20e-6


@frozen(kw_only=True, eq=False)
class Machine:
    """Reachable rates of one GPU among `ranks` of a tensor-parallel group, in bytes/s, operations/s and seconds.

    `rates` has those kinds of weights that the chip multiplies as they are; others are expanded to 16 bit by the kernel,
    `unpack` of them per second. `replicas` are data-parallel engines that share experts.
    """

    bandwidth: float
    rates: Mapping[str, float]
    unpack: float
    attention_rate: float
    moe: float
    ranks: int
    replicas: int
    reduce_bandwidth: float
    reduce_latency: float
    kernel_seconds: float
    step_seconds: float
    request_seconds: float
    client_seconds: float
    wave: float
    offload_seconds: float

    def rate(self, arithmetic: str) -> float:
        """Operations/s for weights of a kind."""
        return self.rates.get(arithmetic, self.rates["16"])


@lru_cache(maxsize=1024)
def machine_of(gpu: Gpu, *, ranks: int, replicas: int = 1, eager: bool = False, offload_bytes: int = 0) -> Machine:
    """The rates vLLM's kernels reach on `gpu`. Raises InputError where its speed is not known."""
    return machine_with(
        efficiency_of(gpu.family), gpu, ranks=ranks, replicas=replicas, eager=eager, offload_bytes=offload_bytes
    )


def machine_with(
    reached: Efficiency, gpu: Gpu, *, ranks: int, replicas: int = 1, eager: bool = False, offload_bytes: int = 0
) -> Machine:
    """As `machine_of`, with other constants than the generation's. Raises InputError."""
    half = gpu.flops("bf16") or gpu.flops("fp16")
    if not gpu.bandwidth or not half:
        raise InputError(name="gpu", value=gpu.name, problem="has no known bandwidth and rates, which speed depends on")
    throttled = _sustained(gpu, half, reached)
    rates = {"16": half * throttled * reached.flops}
    for name in ("fp8", "int8", "fp4"):
        rate = gpu.flops(name)
        if rate:
            # with FP32 accumulation halved, consumer cards name integer rates of four times their 16-bit one
            limit = half * (4 if name == "fp4" else 2)
            rates[name] = min(rate, limit) * throttled * reached.flops_low
    width, latency = _link(gpu, reached, ranks)
    return Machine(
        bandwidth=gpu.bandwidth * reached.bandwidth,
        rates=rates,
        unpack=(gpu.sm_count or 60) * reached.unpack * 1e6,
        attention_rate=half * throttled * reached.attention_flops,
        moe=reached.moe,
        ranks=ranks,
        replicas=replicas,
        reduce_bandwidth=width,
        reduce_latency=latency,
        kernel_seconds=_EAGER_KERNEL if eager else reached.kernel_us * 1e-6,
        step_seconds=reached.step_us * 1e-6,
        request_seconds=reached.request_us * 1e-6,
        client_seconds=reached.client_ms * 1e-3,
        wave=reached.wave,
        offload_seconds=offload_bytes / _HOST_READ,
    )


def _sustained(gpu: Gpu, half: float, reached: Efficiency) -> float:
    """The share of its rate that a board's power allows: a smooth minimum of the rate and power × operations/J."""
    allowed = reached.flops_per_watt * (gpu.board_power or 300.0)
    return float((1 + (half / allowed) ** 4) ** -0.25)


def _link(gpu: Gpu, reached: Efficiency, ranks: int) -> tuple[float, float]:
    """(bytes/s, seconds) of an all-reduce between `ranks` GPUs."""
    rate = gpu.interconnect or _UNKNOWN_LINK
    if gpu.link in ("nvlink", "xgmi"):
        return rate * reached.nvlink, reached.reduce_us * 1e-6
    if gpu.kind in ("consumer", "laptop"):
        # no direct access between the GPUs: all of them go through the host's memory
        return rate * reached.host * 2 / max(2, ranks), reached.pcie_reduce_us * 1e-6
    return rate * reached.pcie, reached.pcie_reduce_us * 1e-6
