"""Which GPU and which overhead profile a request means."""

from __future__ import annotations

from functools import lru_cache

from vram.errors import InputError, UnknownNameError
from vram.gpus.find import find_gpu, profile_for
from vram.models.profile import Gpu, Hardware, OverheadProfile
from vram.models.record import evolve
from vram.plugin.manager import Plugins
from vram.units import GIB, gib

_MOST_GIB = 1e6


def choose_hardware(
    registry: Plugins,
    *,
    gpu: str | None = None,
    gpu_memory_gib: float | None = None,
    profile: str | None = None,
    used_gib: float | None = None,
) -> Hardware:
    """The GPU asked for, with its profile, the memory it has or is said to have, and what other processes hold of it: as said,
    or as the driver of this machine's ("auto") says.

    Raises UnknownNameError, InputError, DetectionError.
    """
    profiles = registry.profiles
    named = None if profile is None else profile_named(registry, profile)
    name = gpu or (named.gpu if named else None)
    free = None
    if name is None:
        found = _unnamed(gpu_memory_gib)
    elif name.lower() == "auto":
        from vram.gpus.detect import detect_gpus, known_gpu

        detected = detect_gpus()[0]
        found, free = known_gpu(detected, profiles), detected.free_bytes
    else:
        found = _own_gpu(named, name) or _gpu_named(registry, name)
    memory = found.memory_bytes if gpu_memory_gib is None else _memory(gpu_memory_gib)
    used = None if free is None else max(0, memory - free)
    if used_gib is not None:
        if not 0 <= used_gib * GIB < memory:
            problem = f"must be from 0 to less than the GPU's {memory / GIB:.2f} GiB"
            raise InputError(name="used_gib", value=used_gib, problem=problem)
        used = gib(used_gib)
    hardware = hardware_of(found, named or profile_for(found, profiles), memory_bytes=memory, used_bytes=used)
    return evolve(hardware, name=gpu) if gpu and gpu_memory_gib is None else hardware


def hardware_of(
    gpu: Gpu, profile: OverheadProfile, *, memory_bytes: int | None = None, used_bytes: int | None = None
) -> Hardware:
    """A GPU with the memory it has, or is said to have, and what others hold of it where that is known."""
    memory = gpu.memory_bytes if memory_bytes is None else memory_bytes
    return Hardware(gpu=gpu, profile=profile, memory_bytes=memory, used_bytes=used_bytes)


def _unnamed(gpu_memory_gib: float | None) -> Gpu:
    """A GPU of which only the memory is known; compute capability 8.0 is assumed. Raises InputError."""
    if gpu_memory_gib is None:
        raise InputError(
            name="gpu", value=None, problem="say which GPU (--gpu H100) or how much memory it has (--vram-gib 80)"
        )
    return Gpu(
        name=f"GPU with {gpu_memory_gib:g} GiB",
        family="generic",
        memory_bytes=_memory(gpu_memory_gib),
        compute_capability=(8, 0),
        bandwidth=0.0,
        source="given by hand",
    )


def _memory(gpu_memory_gib: float) -> int:
    if not 0 < gpu_memory_gib <= _MOST_GIB:
        raise InputError(name="gpu_memory_gib", value=gpu_memory_gib, problem="must be between 0 and 1e6 GiB")
    return gib(gpu_memory_gib)


def profile_named(registry: Plugins, name: str) -> OverheadProfile:
    """A profile of a plugin, else one that the user saved. Raises UnknownNameError, ProfileError."""
    found = registry.profiles.get(name)
    if found is not None:
        return found
    from vram.profiles.saved import read_saved, saved_names

    if name not in saved_names():
        raise UnknownNameError(kind="profile", name=name, known=(*registry.profiles, *saved_names()))
    return read_saved(name)


def _own_gpu(profile: OverheadProfile | None, name: str) -> Gpu | None:
    """A GPU by its exact name in the profile asked for: a saved file may know one that no plugin does."""
    gpus = () if profile is None else profile.gpus
    return next((gpu for gpu in gpus if name in {gpu.name, *gpu.aliases}), None)


@lru_cache(maxsize=256)
def _gpu_named(registry: Plugins, name: str) -> Gpu:
    """A GPU by name; looking a name up in a few hundred is not free, and the same ones are asked for again."""
    return find_gpu(name, registry.profiles)
