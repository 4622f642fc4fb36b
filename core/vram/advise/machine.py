"""A GPU as vLLM's kernels find it: the rates of its datasheet times the shares of them that are reached."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from vram.advise.efficiency import Efficiency, corrected, efficiency_of, generation_of
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
    bandwidth_low: float
    rates: Mapping[str, float]
    unpack: float
    packed: float
    packed_rate: float
    attention_rate: float
    moe: float
    moe_rows: float
    moe_spread: float
    ranks: int
    replicas: int
    reduce_bandwidth: float
    reduce_latency: float
    kernel_seconds: float
    launch_seconds: float
    step_seconds: float
    request_seconds: float
    client_seconds: float
    token_seconds: float
    offload_seconds: float
    overlapped: bool = False

    def rate(self, arithmetic: str) -> float:
        """Operations/s for weights of a kind."""
        if arithmetic in self.rates:
            return self.rates[arithmetic]
        return self.rates["16"] * self.packed

    def client(self, prompt_tokens: int) -> float:
        """Seconds of a request outside the engine: the way there and back, and its prompt's tokenizer."""
        return self.client_seconds + prompt_tokens * self.token_seconds

    def experts_rate(self, arithmetic: str) -> float:
        """Operations/s of experts' products, whose rows are gathered."""
        rate = self.rates.get(arithmetic)
        return rate / self.moe if rate else min(self.rates["16"] / self.moe, self.packed_rate)


@lru_cache(maxsize=1024)
def machine_of(
    gpu: Gpu,
    *,
    ranks: int,
    replicas: int = 1,
    eager: bool = False,
    offload_bytes: int = 0,
    overlapped: bool = False,
    factors: tuple[tuple[str, float], ...] = (),
) -> Machine:
    """The rates vLLM's kernels reach on `gpu`; `factors` as in `corrected`. Raises InputError where its speed is not known."""
    return machine_with(
        corrected(efficiency_of(generation_of(gpu)), factors),
        gpu,
        ranks=ranks,
        replicas=replicas,
        eager=eager,
        offload_bytes=offload_bytes,
        overlapped=overlapped,
    )


def machine_with(
    reached: Efficiency,
    gpu: Gpu,
    *,
    ranks: int,
    replicas: int = 1,
    eager: bool = False,
    offload_bytes: int = 0,
    overlapped: bool = False,
) -> Machine:
    """As `machine_of`, with other constants than the generation's. Raises InputError."""
    half = gpu.flops("bf16") or gpu.flops("fp16")
    if not gpu.bandwidth or not half:
        raise InputError(name="gpu", value=gpu.name, problem="has no known bandwidth and rates, which speed depends on")
    watts = (gpu.board_power or 300.0) * reached.flops_per_watt
    # consumer cards multiply 16 bit at half their rate where sums are FP32, which leaves time for everything beside it
    whole = reached.halved if (gpu.flops("int8") or 0) > 3 * half else 1.0
    rates = {"16": _sustained(half * reached.flops * whole, watts)}
    shares = {"fp8": reached.flops_low * whole, "int8": reached.flops_low, "fp4": reached.flops_4bit}
    for name, share in shares.items():
        rate = gpu.flops(name)
        if rate:
            rates[name] = _sustained(rate * share, watts * (4 if name == "fp4" else 2))
    width, latency = _link(gpu, reached, ranks)
    return Machine(
        bandwidth=gpu.bandwidth * reached.bandwidth,
        bandwidth_low=gpu.bandwidth * reached.bandwidth * reached.bandwidth_low,
        rates=rates,
        unpack=(gpu.sm_count or 60) * reached.unpack * 1e6,
        packed=reached.packed,
        packed_rate=(gpu.sm_count or 60) * reached.packed_flops * 1e6,
        attention_rate=_sustained(half * reached.attention_flops * whole, watts),
        moe=reached.moe,
        moe_rows=reached.moe_rows,
        moe_spread=reached.moe_spread,
        ranks=ranks,
        replicas=replicas,
        reduce_bandwidth=width,
        reduce_latency=latency,
        kernel_seconds=_EAGER_KERNEL if eager else reached.kernel_us * 1e-6,
        launch_seconds=_EAGER_KERNEL if eager else reached.launch_us * 1e-6,
        step_seconds=reached.step_us * 1e-6,
        request_seconds=reached.request_us * 1e-6,
        client_seconds=reached.client_ms * 1e-3,
        token_seconds=reached.token_us * 1e-6,
        offload_seconds=offload_bytes / _HOST_READ,
        overlapped=overlapped,
    )


def _sustained(rate: float, allowed: float) -> float:
    """What a board's power leaves of a rate: a smooth minimum of both."""
    return float(rate * (1 + (rate / allowed) ** 4) ** -0.25)


def _link(gpu: Gpu, reached: Efficiency, ranks: int) -> tuple[float, float]:
    """(bytes/s, seconds) of an all-reduce between `ranks` GPUs."""
    rate = gpu.interconnect or _UNKNOWN_LINK
    if gpu.link in ("nvlink", "xgmi"):
        return rate * reached.nvlink, reached.reduce_us * 1e-6
    shared = (2 / max(2, ranks)) ** reached.host_shared
    if gpu.kind in ("consumer", "laptop"):
        # no direct access between the GPUs: all of them go through the host's memory
        return rate * reached.host * shared, reached.host_reduce_us * ranks * 1e-6
    return rate * reached.pcie * shared, reached.pcie_reduce_us * ranks * 1e-6
