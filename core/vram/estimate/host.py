"""What a deployment takes of its machines beside the GPUs, all of them together: host memory, shared memory, disk.

Rings in /dev/shm as in vLLM's `v1/executor/multiproc_executor.py`, `distributed/parallel_state.py` and
`distributed/device_communicators/shm_broadcast.py` of every release from 0.6.6 to 0.33.0.
"""

from __future__ import annotations

from collections.abc import Iterator

from vram.estimate.parts import Parts
from vram.estimate.weights.offload import kept_on_host
from vram.estimate.weights.ranks import Parallelism, rank_weights
from vram.estimate.weights.resolved import resolve
from vram.models.estimate import Host, ProvenanceNote
from vram.models.interval import Interval, Provenance
from vram.units import GIB, MIB, format_gib, gib

_LEAST = gib(0.45)  # of a process that imported vLLM, without CUDA: measured with the wheels of 0.10, 0.20 and 0.33
_SHM = "shared memory"


def host_of(parts: Parts) -> tuple[Host, list[ProvenanceNote]]:
    """The needs, and what each is made of."""
    found = [need for need in _needs(parts) if need[2].high]
    ram, shm, disk = (sum((n for k, _, n in found if k == kind), Interval.exact(0)) for kind in ("RAM", _SHM, "disk"))
    told = [(kind, n.provenance, f"{n.low / GIB:.1f} … {format_gib(n.high, 1)} {what}") for kind, what, n in found]
    notes = [ProvenanceNote(component=kind, source=source, note=note) for kind, source, note in told]
    return Host(ram=ram, shared_memory=shm, disk=disk), notes


def _needs(parts: Parts) -> Iterator[tuple[str, str, Interval]]:
    question, deployment, args = parts.question, parts.question.deployment, parts.question.deployment.args
    version, v0, replicas = deployment.vllm_version, deployment.v0_engine, args.data_parallel_size
    world = deployment.tp * args.prefill_context_parallel_size * len(parts.weights)
    gpus, fronts = world * replicas, 1 if v0 or world == 1 else 1 + replicas  # an engine with one GPU works itself
    yield "RAM", "of processes that serve and schedule", _to(_LEAST * fronts, GIB * fronts, 2 * GIB * fronts)
    yield "RAM", "of a process a GPU, beside mapped files", _to(_LEAST * gpus, 3 * GIB * gpus, 6 * GIB * gpus)
    # PyTorch rounds each pinned tensor up to a power of two (`CachingHostAllocator.h`; vllm issue 56410)
    away = max(kept_on_host(parts.model, parts.weights, parts.parallel, deployment)) * gpus
    yield "RAM", "of weights kept on the host, pinned, up to twice their size", _to(away, away * 3 // 2, 2 * away)
    layers = sum(count for _, count in parts.cache_ranks[0])
    swap = gib(4 if args.swap_space is None else args.swap_space) // len(parts.weights) if v0 else 0
    if swap and layers:  # a tensor for each layer of a rank (`worker/cache_engine.py`)
        pinned = layers << (swap // layers - 1).bit_length()
        yield "RAM", "of --swap-space, pinned", Interval.exact(pinned * gpus)
    if question.spec.encoders and not v0 and not args.language_model_only:
        most = (4 if version >= (0, 10, 1) else 8) * GIB * (1 + replicas)
        yield "RAM", "of images and audio made ready, which fills while serving", _to(0, most, most, "derived")
    if gpus > 1:  # NVIDIA's guide to NCCL gives containers --shm-size=1g
        yield _SHM, "for NCCL, most of it without NVLink", _to(0, GIB, GIB)
    if world > 1:
        answer = _ring(24 if version >= (0, 11, 1) else 10, 1)
        tp, dcp = deployment.tp, args.decode_context_parallel_size
        rings = sum(world // n * _ring(4, n - 1, 6) for n in (tp, dcp) if n > 1)
        rings = (rings + (0 if v0 else _ring(16 if version >= (0, 9, 1) else 10, world) + world * answer)) * replicas
        least = answer if version >= (0, 27, 0) else 0  # since then a ring is not made unless all of it is free
        yield _SHM, "for vLLM's rings of messages", _to(least, rings, rings, "derived")
    files = question.checkpoint
    stored = files.inventory.total_bytes if files.inventory else files.stored_bytes
    saved = parts.model if files.quantization or files.manual else resolve(question.spec, None)
    size = stored or rank_weights(saved, Parallelism(), deployment.dtype)[0].parameter_bytes
    known: Provenance = "derived" if stored else "assumed"
    yield "disk", "for weights, perhaps twice; no image, caches or draft", _to(size, size, 2 * size, known)


def _to(low: int, expected: int, high: int, provenance: Provenance = "assumed") -> Interval:
    return Interval(low=low, expected=expected, high=high, provenance=provenance)


def _ring(mib: int, readers: int, slots: int = 10) -> int:
    return slots * (mib * MIB + 1 + readers)
