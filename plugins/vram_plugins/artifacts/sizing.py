"""What a server needs beside GPU memory: disk for the checkpoint, shared memory, host memory, time to start.

All are starting values (`assumed`) on the generous side; files say so and users change them there.
"""

from __future__ import annotations

from vram.dtypes import dtype_bytes
from vram.models.artifact import ArtifactRequest
from vram.models.record import frozen
from vram.units import GIB

_SLOW_DOWNLOAD = 100e6  # bytes per second that a start must survive: 1 Gbit/s less overhead
_LOADING_SECONDS = 600  # reading from disk, compiling, capturing graphs
_DISK_MARGIN = 1.2  # duplicates in other formats, a second revision's small files
_DISK_EXTRA_GIB = 20  # compile caches, tokenizers
_DISK_STEP_GIB = 10
_SHM_GIB_PER_GPU = 2  # vLLM's docs take 2 GiB for one GPU and 15 for eight (deployment/k8s.md, frameworks/lws.md)
_HOST_GIB_PER_GPU = 8


@frozen(kw_only=True)
class Sizing:
    """Whole GiB per machine, seconds, and cores."""

    disk_gib: int
    shm_gib: int
    host_gib: int
    cores: int
    start_seconds: int


def sizing(request: ArtifactRequest) -> Sizing:
    """The needs of a deployment."""
    stored = _checkpoint_bytes(request)
    engine = request.asked.engine_args
    offloaded = sum(float(str(engine.get(name) or 0)) for name in ("cpu_offload_gb", "swap_space"))
    gpus = request.gpus_per_node
    disk = stored * _DISK_MARGIN / GIB + _DISK_EXTRA_GIB
    return Sizing(
        disk_gib=-(-int(disk) // _DISK_STEP_GIB) * _DISK_STEP_GIB,
        shm_gib=_SHM_GIB_PER_GPU * gpus,
        host_gib=int((_HOST_GIB_PER_GPU + offloaded) * gpus),
        cores=2 + 2 * gpus,
        start_seconds=int(stored / _SLOW_DOWNLOAD + _LOADING_SECONDS),
    )


def _checkpoint_bytes(request: ArtifactRequest) -> int:
    """Bytes on disk, not under-counted: what the ranks hold, or the unquantized weights where vLLM quantizes them itself."""
    facts = request.estimate.deployment
    divided = facts.tensor_parallel_size * (facts.data_parallel_size if facts.enable_expert_parallel else 1)
    held = sum(rank.weights_bytes for rank in request.estimate.ranks) * divided
    if not request.asked.engine_args.get("quantization"):
        return held
    return max(held, int(request.estimate.model.parameters * dtype_bytes(request.estimate.model.dtype)))
