"""Which GPU and which overhead profile a request means."""

from __future__ import annotations

from functools import lru_cache

from vram.errors import InputError, UnknownNameError
from vram.gpus.find import find_gpu, profile_for
from vram.models.profile import Gpu, OverheadProfile
from vram.models.request import Request
from vram.plugin.manager import Plugins
from vram.units import gib


def choose_gpu(registry: Plugins, request: Request) -> tuple[Gpu, OverheadProfile, int | None]:
    """The GPU asked for, its profile, and its free memory where it is this machine's ("auto").

    Raises UnknownNameError, InputError, DetectionError.
    """
    profiles = registry.profiles
    named = None if request.profile is None else profile_named(registry, request.profile)
    name = request.gpu or (named.gpu if named else None)
    if name is None:
        if request.gpu_memory_gib is None:
            raise InputError(
                name="gpu", value=None, problem="say which GPU (--gpu H100) or how much memory it has (--vram-gib 80)"
            )
        gpu = Gpu(
            name=f"GPU with {request.gpu_memory_gib:g} GiB",
            family="generic",
            memory_bytes=gib(request.gpu_memory_gib),
            compute_capability=(8, 0),
            bandwidth=0.0,
            source="given by hand",
        )
        return gpu, named or profile_for(gpu, profiles), None
    free = None
    if name.lower() == "auto":
        from vram.gpus.detect import detect_gpus, known_gpu

        detected = detect_gpus()[0]
        gpu, free = known_gpu(detected, profiles), detected.free_bytes
    else:
        gpu = _own_gpu(named, name) or _gpu_named(registry, name)
    return gpu, named or profile_for(gpu, profiles), free


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
