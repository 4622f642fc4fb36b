"""How much of a GPU's datasheet vLLM's kernels reach: the few constants of the speed model, and where they are from.

Fitted to published vLLM serving runs (docs/explanation/performance.md) by tests/calibration/fit_speed.py: one vote per series
of runs, a robust error on logarithms, and a prior on every constant that keeps it where physics puts it when data are thin. Bandwidth,
16-bit rate and kernel latency may differ by generation, as far as its data ask for it; everything else is shared by all.
No constant belongs to a model.
"""

from __future__ import annotations

from functools import lru_cache

from vram.models.profile import Gpu
from vram.models.record import evolve, frozen

_FIT = "fitted to published vLLM runs"
_THIN = "fitted; few runs of this generation, so close to the value of all"


@frozen(kw_only=True)
class Factor:
    """One constant with its 90 % interval, and its source."""

    name: str
    value: float
    low: float
    high: float
    source: str = _FIT


@frozen(kw_only=True)
class Efficiency:
    """The constants of one GPU generation.

    Shares of the datasheet's rate: `bandwidth`; `flops` of 16-bit products, `flops_low` of 8-bit and `flops_4bit` of
    4-bit ones, `attention_flops` of prefill attention; `nvlink`, `pcie`, `host` of the link between GPUs that an
    all-reduce gets over NVLink, over PCIe with direct access, and through the host's memory (two GPUs; more share the
    host).

    `flops_per_watt`: 16-bit operations per joule that the board's power allows. `unpack`: packed weights one
    multiprocessor expands per microsecond; `packed_flops`: operations per microsecond of one multiprocessor with such
    weights. `moe`: the time of experts' products over that of plain ones with as many operations; `moe_rows`: rows by which
    the tiles of an expert's product exceed its tokens. `kernel_us`: start and drain of one kernel in a CUDA graph.
    `step_us`: scheduling and sampling of a step; `request_us`: the same per running request. `reduce_us`: latency of an
    all-reduce over NVLink; `pcie_reduce_us`: the same over PCIe, per GPU that takes part. `client_ms`: HTTP, tokenizer and
    first response.
    """

    bandwidth: float
    bandwidth_low: float
    flops: float
    flops_low: float
    flops_4bit: float
    attention_flops: float
    flops_per_watt: float
    unpack: float
    packed: float
    packed_flops: float
    moe: float
    moe_rows: float
    moe_spread: float
    kernel_us: float
    launch_us: float
    step_us: float
    request_us: float
    reduce_us: float
    pcie_reduce_us: float
    host_reduce_us: float
    nvlink: float
    pcie: float
    host: float
    host_shared: float
    client_ms: float


SHARED = (
    Factor(name="bandwidth", value=0.80, low=0.74, high=0.90),
    Factor(name="bandwidth_low", value=0.8, low=0.5, high=1.0),
    Factor(name="flops", value=0.74, low=0.60, high=0.85),
    Factor(name="flops_low", value=0.60, low=0.45, high=0.75),
    Factor(name="flops_4bit", value=0.50, low=0.38, high=0.65),
    Factor(name="attention_flops", value=0.55, low=0.42, high=0.66),
    Factor(name="flops_per_watt", value=0.85e12, low=0.5e12, high=1.2e12),
    Factor(name="unpack", value=32000.0, low=21400.0, high=38000.0),
    Factor(name="packed", value=0.7, low=0.45, high=0.9),
    Factor(name="packed_flops", value=1.0e6, low=0.6e6, high=1.6e6),
    Factor(name="moe", value=2.6, low=1.7, high=3.5),
    Factor(name="moe_rows", value=36.0, low=8.0, high=80.0),
    Factor(name="moe_spread", value=0.75, low=0.5, high=1.0),
    Factor(name="kernel_us", value=2.8, low=1.9, high=4.2),
    Factor(name="launch_us", value=6.0, low=3, high=12.0),
    Factor(name="step_us", value=650.0, low=220.0, high=1900.0),
    Factor(name="request_us", value=20.0, low=7.0, high=60.0),
    Factor(name="reduce_us", value=9.0, low=4.5, high=20.0),
    Factor(name="pcie_reduce_us", value=5.0, low=2.5, high=10.0),
    Factor(name="host_reduce_us", value=10.0, low=5, high=20.0),
    Factor(name="nvlink", value=0.40, low=0.30, high=0.50),
    Factor(name="pcie", value=0.30, low=0.18, high=0.42),
    Factor(name="host", value=0.17, low=0.10, high=0.30),
    Factor(name="host_shared", value=0.7, low=0.3, high=1.0),
    Factor(name="client_ms", value=12.0, low=4.6, high=31.0),
)

GENERATIONS: dict[str, tuple[Factor, ...]] = {
    "volta_turing": (Factor(name="flops_per_watt", value=0.6e12, low=0.3e12, high=0.7e12),),
    "ampere": (
        Factor(name="bandwidth", value=0.744, low=0.67, high=0.86),
        Factor(name="flops", value=0.78, low=0.67, high=0.86),
        Factor(name="flops_per_watt", value=0.9e12, low=0.5e12, high=0.8e12),
    ),
    "ampere_gddr": (
        Factor(name="bandwidth", value=0.88, low=0.67, high=0.96),
        Factor(name="flops", value=0.78, low=0.67, high=0.86),
        Factor(name="flops_per_watt", value=0.9e12, low=0.5e12, high=0.8e12),
    ),
    "ada": (
        Factor(name="bandwidth", value=0.82, low=0.72, high=0.91),
        Factor(name="flops", value=0.8, low=0.35, high=0.88),
        Factor(name="flops_per_watt", value=0.85e12, low=0.5e12, high=0.8e12),
    ),
    "hopper": (
        Factor(name="bandwidth", value=0.80, low=0.71, high=0.96),
        Factor(name="flops", value=0.82, low=0.44, high=0.90),
        Factor(name="flops_per_watt", value=1.5e12, low=1.0e12, high=1.3e12),
    ),
    "blackwell_dc": (
        Factor(name="bandwidth", value=0.75, low=0.69, high=0.95),
        Factor(name="flops", value=0.75, low=0.44, high=0.90),
        Factor(name="flops_per_watt", value=1.9e12, low=1.3e12, high=2.0e12),
    ),
    "blackwell_consumer": (
        Factor(name="bandwidth", value=0.88, low=0.78, high=0.97),
        Factor(name="flops", value=0.75, low=0.38, high=0.56),
        Factor(name="flops_per_watt", value=0.85e12, low=1.3e12, high=2.0e12),
    ),
    "gb10_thor": (
        Factor(name="bandwidth", value=0.82, low=0.72, high=0.96),
        Factor(name="flops_per_watt", value=1.0e12, low=0.7e12, high=1.4e12),
    ),
}


@frozen(kw_only=True)
class Spread:
    """What measured runs were, over what was expected: from `low` to `high`."""

    low: float
    high: float


#: from runs of models that were left out of the fit; wider below for throughput, since short runs, warm-up and clients
#: only ever slow a run down
THROUGHPUT_SPREAD = Spread(low=0.50, high=1.30)
TPOT_SPREAD = Spread(low=0.72, high=1.48)
TTFT_SPREAD = Spread(low=0.60, high=2.00)


@lru_cache(maxsize=64)
def efficiency_of(family: str) -> Efficiency:
    """The constants of a GPU family; those shared by all where it has none of its own."""
    shared = Efficiency(**{factor.name: factor.value for factor in SHARED})
    return evolve(shared, **{factor.name: factor.value for factor in GENERATIONS.get(family, ())})


def generation_of(gpu: Gpu) -> str:
    """Whose constants a GPU has: its family's, but for Ampere cards without stacked memory (compute capability 8.6 on)."""
    small = gpu.family == "ampere" and gpu.compute_capability > (8, 0)
    return "ampere_gddr" if small else gpu.family
