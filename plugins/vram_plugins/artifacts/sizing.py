"""What a server needs beside GPU memory, as whole numbers for a file: disk, shared memory, host memory, time to start.

Sizes are the upper ends of the estimate's `host`, with room; files say so and users change them there.
"""

from __future__ import annotations

from vram.models.artifact import ArtifactRequest
from vram.models.record import frozen
from vram.units import GIB

_SLOW_DOWNLOAD = 100e6  # bytes per second that a start must survive: 1 Gbit/s less overhead
_LOADING_SECONDS = 600  # reading from disk, compiling, capturing graphs
_DISK_MARGIN = 1.2  # a second revision's small files, what a download keeps until it is whole
_DISK_EXTRA_GIB = 20  # compile caches, tokenizers
_DISK_STEP_GIB = 10
_LEAST_SHM_GIB = 2  # vLLM's docs take 2 GiB for one GPU (deployment/k8s.md)


@frozen(kw_only=True)
class Sizing:
    """Whole GiB per machine, seconds, and cores. `host_gib` is what to reserve, `most_gib` a limit that does no harm."""

    disk_gib: int
    shm_gib: int
    host_gib: int
    most_gib: int
    cores: int
    start_seconds: int


def sizing(request: ArtifactRequest) -> Sizing:
    """The needs of one machine of a deployment."""
    host, nodes, gpus = request.estimate.host, request.nodes, request.gpus_per_node
    disk = host.disk.expected * _DISK_MARGIN / GIB + _DISK_EXTRA_GIB
    shm = max(_LEAST_SHM_GIB, _whole(host.shared_memory.high / nodes))
    most = _whole(host.ram.high / nodes) + shm  # shared memory counts against a container's own
    return Sizing(
        disk_gib=-(-int(disk) // _DISK_STEP_GIB) * _DISK_STEP_GIB,
        shm_gib=shm,
        host_gib=_whole(host.ram.expected / nodes) + shm,
        most_gib=2 * most,
        cores=2 + 2 * gpus,
        start_seconds=int(host.disk.expected / _SLOW_DOWNLOAD + _LOADING_SECONDS),
    )


def _whole(size: float) -> int:
    return -(-int(size) // GIB)
