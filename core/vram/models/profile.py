"""GPUs with their hardware facts, and the overhead constants calibrated on them."""

from __future__ import annotations

from attrs import frozen

from vram.models.interval import Provenance


@frozen(kw_only=True)
class Gpu:
    """One GPU model.

    `memory_bytes` is the total CUDA reports (cudaMemGetInfo), not the vendor's figure. `bandwidth` is bytes/s,
    `dense_flops` (dtype name, FLOP/s without sparsity), `interconnect` bytes/s per GPU between GPUs of one machine, in
    one direction. `driver_names` are what the driver prints; `source` says where the facts are from.
    """

    name: str
    family: str
    memory_bytes: int
    compute_capability: tuple[int, int]
    bandwidth: float
    dense_flops: tuple[tuple[str, float], ...] = ()
    interconnect: float | None = None
    sm_count: int | None = None
    aliases: tuple[str, ...] = ()
    driver_names: tuple[str, ...] = ()
    source: str = ""


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


@frozen(kw_only=True)
class OverheadProfile:
    """Everything a GPU family's file says. `calibrated` is False for `generic`.

    Fixed-figure policy for uncalibrated GPUs is design.md section 7.
    """

    name: str
    aliases: tuple[str, ...] = ()
    description: str = ""
    gpus: tuple[Gpu, ...] = ()
    constants: tuple[Constant, ...] = ()
    calibrated: bool = True
    fragmentation_factor: float = 1.0
    gpu: str | None = None
    gpu_count: int | None = None
    source: str = ""
