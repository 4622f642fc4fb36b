"""How much of a GPU's datasheet vLLM's kernels reach: the few constants of the speed model, and where they are from.

Fitted to published vLLM serving runs (docs/explanation/performance.md) by tests/calibration/fit_speed.py: one vote per series
of runs, a robust error on logarithms, and a prior on every constant that keeps it where physics puts it when data are thin. Bandwidth,
16-bit rate and kernel latency may differ by generation, as far as its data ask for it; everything else is shared by all.
No constant belongs to a model.
"""

from __future__ import annotations

from functools import lru_cache

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

    Shares of the datasheet's rate: `bandwidth`; `flops` of 16-bit products, `flops_low` of 8- and 4-bit ones,
    `attention_flops` of prefill attention; `nvlink`, `pcie`, `host` of the link between GPUs that an all-reduce gets over
    NVLink, over PCIe with direct access, and through the host's memory (two GPUs; more share the host).

    `flops_per_watt`: 16-bit operations per joule that the board's power allows. `unpack`: packed weights one
    multiprocessor expands per microsecond. `moe`: the time of experts' products over that of plain ones with as many
    operations. `kernel_us`: start and drain of one kernel in a CUDA graph. `step_us`: scheduling and sampling of a step;
    `request_us`: the same per running request. `reduce_us`, `pcie_reduce_us`: latency of an all-reduce over NVLink and PCIe.
    `wave`: the share of prompts that wait for each other. `client_ms`: HTTP, tokenizer and first response.
    """

    bandwidth: float
    flops: float
    flops_low: float
    attention_flops: float
    flops_per_watt: float
    unpack: float
    moe: float
    kernel_us: float
    step_us: float
    request_us: float
    reduce_us: float
    pcie_reduce_us: float
    nvlink: float
    pcie: float
    host: float
    wave: float
    client_ms: float


SHARED = (
    Factor(name="bandwidth", value=0.80, low=0.74, high=0.90),
    Factor(name="flops", value=0.55, low=0.43, high=0.73),
    Factor(name="flops_low", value=0.52, low=0.32, high=0.85),
    Factor(name="attention_flops", value=0.67, low=0.49, high=1.0),
    Factor(
        name="flops_per_watt",
        value=0.75e12,
        low=0.5e12,
        high=1.2e12,
        source="assumed: sustained over board power of the generations whose sustained rates are known",
    ),
    Factor(name="unpack", value=27000.0, low=21400.0, high=32900.0),
    Factor(name="moe", value=1.84, low=1.19, high=2.9),
    Factor(name="kernel_us", value=2.8, low=1.9, high=4.2),
    Factor(name="step_us", value=650.0, low=220.0, high=1900.0, source=f"{_FIT}; hardly told from kernel latency"),
    Factor(name="request_us", value=20.6, low=7.0, high=60.0),
    Factor(name="reduce_us", value=17.0, low=9.2, high=35.0),
    Factor(name="pcie_reduce_us", value=21.0, low=11.0, high=38.0),
    Factor(name="nvlink", value=0.36, low=0.22, high=0.60),
    Factor(name="pcie", value=0.28, low=0.18, high=0.45),
    Factor(name="host", value=0.17, low=0.14, high=0.20),
    Factor(name="wave", value=0.46, low=0.31, high=0.90),
    Factor(name="client_ms", value=12.0, low=4.6, high=31.0, source="assumed: the runs do not tell it from prefill"),
)

_POWER = "assumed: 16-bit products sustained by a full-power board of the generation, over its power"
GENERATIONS: dict[str, tuple[Factor, ...]] = {
    "volta_turing": (Factor(name="flops_per_watt", value=0.5e12, low=0.3e12, high=0.7e12, source=_POWER),),
    "ampere": (
        Factor(name="bandwidth", value=0.744, low=0.67, high=0.86),
        Factor(name="kernel_us", value=2.8, low=1.8, high=4.4),
        Factor(name="flops_per_watt", value=0.65e12, low=0.5e12, high=0.8e12, source=_POWER),
    ),
    "ada": (
        Factor(name="bandwidth", value=0.80, low=0.72, high=0.91, source=_THIN),
        Factor(name="flops", value=0.545, low=0.35, high=0.88, source=_THIN),
    ),
    "hopper": (
        Factor(name="bandwidth", value=0.80, low=0.71, high=0.96),
        Factor(name="flops", value=0.60, low=0.44, high=0.90),
        Factor(name="kernel_us", value=3.1, low=2.0, high=4.8),
        Factor(
            name="flops_per_watt",
            value=1.15e12,
            low=1.0e12,
            high=1.3e12,
            source="about 790 TFLOP/s of bf16 products sustained by an H200 of 700 W",
        ),
    ),
    "blackwell_dc": (
        Factor(name="bandwidth", value=0.80, low=0.69, high=0.95, source=_THIN),
        Factor(name="flops_per_watt", value=1.7e12, low=1.3e12, high=2.0e12, source=_POWER),
    ),
    "blackwell_consumer": (
        Factor(name="bandwidth", value=0.864, low=0.78, high=0.97),
        Factor(name="flops", value=0.464, low=0.38, high=0.56),
        Factor(name="kernel_us", value=2.48, low=1.6, high=3.9),
    ),
    "gb10_thor": (
        Factor(name="bandwidth", value=0.82, low=0.72, high=0.96, source=_THIN),
        Factor(name="flops_per_watt", value=1.0e12, low=0.7e12, high=1.4e12, source=_POWER),
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
