"""What a machine says about its GPUs, and the contract of who asks it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vram.models.record import frozen


@frozen(kw_only=True)
class GpuProcess:
    """A process that holds memory of a GPU. `used_bytes` is None where the driver does not tell (WSL, MIG, rights)."""

    pid: int
    name: str | None = None
    used_bytes: int | None = None


@frozen(kw_only=True)
class DetectedGpu:
    """One GPU, or one MIG slice of it, as its driver reports it.

    `total_bytes` is nvidia-smi's total; `cuda_total_bytes` is without what the driver keeps for itself, which is what
    CUDA and vLLM see. All sizes are None on GPUs that share the host's memory. `nvlink_peers` are the indices of the
    GPUs reached over NVLink, directly or through a switch. `mig_parent` is set for a slice: the index of its GPU, which
    CUDA does not offer while `mig_enabled`. `problem` says why the rest is missing.
    """

    index: int
    name: str
    uuid: str = ""
    total_bytes: int | None = None
    cuda_total_bytes: int | None = None
    used_bytes: int | None = None
    free_bytes: int | None = None
    compute_capability: tuple[int, int] | None = None
    driver_version: str = ""
    nvlink_links: int = 0
    nvlink_peers: tuple[int, ...] = ()
    mig_enabled: bool = False
    mig_parent: int | None = None
    processes: tuple[GpuProcess, ...] = ()
    problem: str | None = None


@frozen(kw_only=True)
class GpuDetector:
    """One way to ask a machine for its GPUs, by a vendor's driver. `detect` gives them by index.

    It raises DetectionError where there is no such driver, it does not answer, or it has no GPU.
    """

    name: str
    detect: Callable[[], Iterable[DetectedGpu]]
