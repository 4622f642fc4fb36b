"""How much of a GPU's datasheet vLLM's kernels reach: the few constants of the speed model, and where they are from.

Priors from measured kernels, moved as far as published vLLM serving runs ask for (docs/explanation/performance.md) by
tests/calibration/fit_speed.py: one vote per group of runs and a robust error on logarithms. Bandwidth, 16-bit rate, kernel
latency and the way through the host may differ by generation; everything else is shared by all. No constant belongs to a model.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from vram.models.profile import Gpu, OverheadProfile
from vram.models.record import evolve, frozen


@frozen(kw_only=True)
class Factor:
    """One constant, and what kernels measured by themselves say of it (`tests/calibration/speed_priors.py`)."""

    name: str
    value: float
    kernels: float


@frozen(kw_only=True)
class Efficiency:
    """The constants of one GPU generation.

    Shares of the datasheet's rate: `bandwidth`; `flops` of 16-bit products, `flops_low` of 8-bit and `flops_4bit` of
    4-bit ones, `attention_flops` of prefill attention; `nvlink`, `pcie`, `host` of the link between GPUs that an
    all-reduce gets over NVLink, over PCIe with direct access, and through the host's memory (two GPUs; more share the
    host). `halved`: how many times the share of 16 bit is that on cards that halve its rate where sums are FP32.

    `flops_per_watt`: 16-bit operations per joule that the board's power allows. `unpack`: packed weights one
    multiprocessor expands per microsecond; `packed_flops`: operations per microsecond of one multiprocessor with such
    weights. `moe`: the time of experts' products over that of plain ones with as many operations; `moe_rows`: rows by which
    the tiles of an expert's product exceed its tokens. `kernel_us`: start and drain of one kernel in a CUDA graph.
    `step_us`: scheduling and sampling of a step; `request_us`: the same per running request. `reduce_us`: latency of an
    all-reduce over NVLink; `pcie_reduce_us`: the same over PCIe, per GPU that takes part. `client_ms`: HTTP and first
    response; `token_us`: the tokenizer, per token of the prompt.
    """

    bandwidth: float
    bandwidth_low: float
    flops: float
    halved: float
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
    token_us: float


SHARED = (
    Factor(name="bandwidth", value=0.775, kernels=0.83),
    Factor(name="bandwidth_low", value=0.864, kernels=0.8),
    Factor(name="flops", value=0.679, kernels=0.76),
    Factor(name="halved", value=1.27, kernels=1.25),
    Factor(name="flops_low", value=0.713, kernels=0.6),
    Factor(name="flops_4bit", value=0.54, kernels=0.5),
    Factor(name="attention_flops", value=0.615, kernels=0.55),
    Factor(name="flops_per_watt", value=8.5e11, kernels=8.5e11),
    Factor(name="unpack", value=34200, kernels=34000.0),
    Factor(name="packed", value=0.618, kernels=0.6),
    Factor(name="packed_flops", value=919000, kernels=1000000.0),
    Factor(name="moe", value=2.73, kernels=2.6),
    Factor(name="moe_rows", value=30.1, kernels=36),
    Factor(name="moe_spread", value=0.732, kernels=0.75),
    Factor(name="kernel_us", value=3.46, kernels=2.8),
    Factor(name="launch_us", value=5.96, kernels=6),
    Factor(name="step_us", value=2050, kernels=2000.0),
    Factor(name="request_us", value=21.8, kernels=15),
    Factor(name="reduce_us", value=13.8, kernels=9),
    Factor(name="pcie_reduce_us", value=5.88, kernels=4),
    Factor(name="host_reduce_us", value=7.02, kernels=10),
    Factor(name="nvlink", value=0.412, kernels=0.4),
    Factor(name="pcie", value=0.546, kernels=0.3),
    Factor(name="host", value=0.173, kernels=0.17),
    Factor(name="host_shared", value=0.447, kernels=0.6),
    Factor(name="client_ms", value=4.31, kernels=5),
    Factor(name="token_us", value=2.69, kernels=3),
)

GENERATIONS: dict[str, tuple[Factor, ...]] = {
    "volta_turing": (Factor(name="flops_per_watt", value=6e11, kernels=6e11),),
    "ada": (
        Factor(name="host", value=0.142, kernels=0.17),
        Factor(name="bandwidth", value=0.82, kernels=0.92),
        Factor(name="flops", value=0.716, kernels=0.8),
        Factor(name="kernel_us", value=3.52, kernels=2.8),
        Factor(name="flops_per_watt", value=8.5e11, kernels=8.5e11),
    ),
    "ampere": (
        Factor(name="host", value=0.173, kernels=0.17),
        Factor(name="bandwidth", value=0.656, kernels=0.72),
        Factor(name="flops", value=0.651, kernels=0.8),
        Factor(name="kernel_us", value=3.67, kernels=2.8),
        Factor(name="flops_per_watt", value=9e11, kernels=9e11),
    ),
    "ampere_gddr": (
        Factor(name="host", value=0.113, kernels=0.17),
        Factor(name="bandwidth", value=0.776, kernels=0.88),
        Factor(name="flops", value=0.733, kernels=0.8),
        Factor(name="kernel_us", value=3.11, kernels=2.8),
        Factor(name="flops_per_watt", value=9e11, kernels=9e11),
    ),
    "blackwell_consumer": (
        Factor(name="host", value=0.328, kernels=0.17),
        Factor(name="bandwidth", value=0.888, kernels=0.94),
        Factor(name="flops", value=0.596, kernels=0.75),
        Factor(name="kernel_us", value=3.1, kernels=2.8),
        Factor(name="flops_per_watt", value=8.5e11, kernels=8.5e11),
    ),
    "blackwell_dc": (
        Factor(name="host", value=0.173, kernels=0.17),
        Factor(name="bandwidth", value=0.671, kernels=0.72),
        Factor(name="flops", value=0.67, kernels=0.75),
        Factor(name="kernel_us", value=3.49, kernels=2.8),
        Factor(name="flops_per_watt", value=1.9e12, kernels=1.9e12),
    ),
    "gb10_thor": (
        Factor(name="host", value=0.173, kernels=0.17),
        Factor(name="bandwidth", value=0.792, kernels=0.85),
        Factor(name="flops", value=0.483, kernels=0.6),
        Factor(name="kernel_us", value=3.66, kernels=2.8),
        Factor(name="flops_per_watt", value=1e12, kernels=1e12),
    ),
    "hopper": (
        Factor(name="host", value=0.173, kernels=0.17),
        Factor(name="bandwidth", value=0.776, kernels=0.83),
        Factor(name="flops", value=0.73, kernels=0.82),
        Factor(name="kernel_us", value=4.22, kernels=2.8),
        Factor(name="flops_per_watt", value=1.5e12, kernels=1.5e12),
    ),
}


@frozen(kw_only=True)
class Spread:
    """What measured runs were, over what was expected: from `low` to `high`."""

    low: float
    high: float


#: about the 5 % and 95 % quantiles of runs whose publisher, model or GPU was left out of the fit (`fit_speed.py --leave-out`), of
#: which they hold 85 to 90 %; wider below for throughput and above for times, since ramps, warm-up and clients only slow a run down
THROUGHPUT_SPREAD = Spread(low=0.58, high=1.30)
TPOT_SPREAD = Spread(low=0.72, high=1.50)
TTFT_SPREAD = Spread(low=0.55, high=2.40)


@lru_cache(maxsize=64)
def efficiency_of(family: str) -> Efficiency:
    """The constants of a GPU family; those shared by all where it has none of its own."""
    shared = Efficiency(**{factor.name: factor.value for factor in SHARED})
    return evolve(shared, **{factor.name: factor.value for factor in GENERATIONS.get(family, ())})


def generation_of(gpu: Gpu) -> str:
    """Whose constants a GPU has: its family's, but for Ampere cards without stacked memory (compute capability 8.6 on)."""
    small = gpu.family == "ampere" and gpu.compute_capability > (8, 0)
    return "ampere_gddr" if small else gpu.family


#: what a machine's own measurements correct, and the constants that go together
_TOGETHER = {
    "flops": ("flops", "flops_low", "flops_4bit", "attention_flops", "packed"),
    "link": ("nvlink", "pcie", "host"),
}
_PREFIX = "speed_"


def factors_of(profile: OverheadProfile) -> tuple[tuple[str, float], ...]:
    """What a profile says about speed (`vram performance --measured ... --save`): factors on a generation's constants."""
    return tuple((c.name.removeprefix(_PREFIX), c.value) for c in profile.constants if c.name.startswith(_PREFIX))


def corrected(reached: Efficiency, factors: Iterable[tuple[str, float]]) -> Efficiency:
    """The constants times a machine's factors; a factor of another version's constant says nothing."""
    values = {
        alike: getattr(reached, alike) * factor
        for name, factor in factors
        for alike in _TOGETHER.get(name, (name,))
        if hasattr(reached, alike)
    }
    return evolve(reached, **values)
