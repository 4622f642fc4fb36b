"""From the name of a GPU, as people type it or drivers print it, to its record. Pure: the profiles are given.

Four looks, from exact to lenient, so that a name which is known never reaches a guess:

1. spelling: case, spaces, hyphens and the brand ("NVIDIA GeForce RTX 4090", "rtx4090", "4090");
2. words: their order and words that say nothing of the model ("H100 SXM5 80GB HBM3", "RTX 6000 Ada Generation");
3. memory: a size in the name chooses among GPUs that share the rest ("H100 (65247 MiB)"); no such size, no answer;
4. slices: a MIG profile chooses among those of GPUs that have the other words ("A100 3g.20gb").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from vram.errors import InputError, OtherVendorError, PluginError, UnknownNameError
from vram.models.profile import Gpu, OverheadProfile
from vram.profiles.later import GpusLater, Outline, outline_of
from vram.profiles.spelling import matching, names, unbranded

GENERIC = "generic"
LONGEST_NAME = 200
_VARIANT = r"(?:[1-9]\d*gb|sxm\d?|pcie|nvl)+"  # what two cards of one name differ by


def find_gpu(name: str, profiles: Mapping[str, OverheadProfile]) -> Gpu:
    """The GPU of that name. "A + B" (a machine of two kinds) is the one with less memory: the other has to wait for it.

    Raises UnknownNameError with the nearest names, OtherVendorError for hardware that is not modelled, InputError for
    what is no name.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        shown = name[:40] if isinstance(name, str) else type(name).__name__
        raise InputError(name="gpu", value=shown, problem="must be the name of a GPU")
    parts = [part for part in name.split(" + ") if part.strip()]
    if len(parts) > 1:
        return min((_find_one(part, profiles) for part in parts), key=lambda gpu: gpu.memory_bytes)
    return _find_one(name, profiles)


def profile_for(gpu: Gpu, profiles: Mapping[str, OverheadProfile]) -> OverheadProfile:
    """The profile of a GPU's family where it is calibrated, else `generic`. Raises UnknownNameError without either."""
    family = profiles.get(gpu.family)
    if family is not None and family.calibrated:
        return family
    if GENERIC in profiles:
        return profiles[GENERIC]
    raise UnknownNameError(kind="overhead profile", name=GENERIC, known=tuple(profiles))


def all_gpus(profiles: Mapping[str, OverheadProfile]) -> tuple[Gpu, ...]:
    """Every GPU that some profile knows, each once: presets and aliases repeat those of their family."""
    return _gpus_of(profile.gpus for profile in profiles.values())


def outlines(profiles: Mapping[str, OverheadProfile]) -> tuple[Outline, ...]:
    """Every whole GPU that some profile knows, each once, and read only where more than its outline is asked for."""
    groups = {id(profile.gpus): profile.gpus for profile in profiles.values()}.values()
    told = (gpus.outlines if isinstance(gpus, GpusLater) else map(outline_of, gpus) for gpus in groups)
    return tuple(one for each in told for one in each if one.kind != "partition")


def namesakes(name: str, gpu: Gpu, profiles: Mapping[str, OverheadProfile]) -> tuple[Gpu, ...]:
    """GPUs of other memory that people call by a name which was taken for `gpu`: "RTX 5060 Ti" has 8 or 16 GB."""
    typed = unbranded(name)
    others = outlines({family: profile for family, profile in profiles.items() if family == gpu.family})
    alike = [one for one in others if one.memory_bytes != gpu.memory_bytes and unbranded(one.name).startswith(typed)]
    return tuple(one.read() for one in alike if re.fullmatch(_VARIANT, unbranded(one.name)[len(typed) :]))


def _gpus_of(groups: Iterable[Sequence[Gpu]]) -> tuple[Gpu, ...]:
    return tuple({id(gpu): gpu for group in groups for gpu in group}.values())


def _find_one(name: str, profiles: Mapping[str, OverheadProfile]) -> Gpu:
    found = _without_reading_all(name, profiles)
    if found is not None:
        return found
    from vram.gpus.words import by_memory, by_slice, by_words, unmodelled

    gpus = all_gpus(profiles)
    for look in (_by_spelling, by_words, by_memory, by_slice):
        same = look(name, gpus)
        if len(same) == 1:
            return same[0]
        claimed = _claimed_twice(name, same, profiles)
        if claimed:
            raise PluginError(problem=claimed)
        if same:
            raise UnknownNameError(kind="GPU", name=name, known=tuple(gpu.name for gpu in same))
    other = unmodelled(name)
    if other is not None:
        raise OtherVendorError(name="gpu", value=name, problem=f"is {other}")
    whole = (gpu for gpu in gpus if gpu.kind != "partition")
    known = tuple(name for gpu in whole for name in (gpu.name, *gpu.aliases))
    raise UnknownNameError(kind="GPU", name=name, known=known)


def gpu_clashes(profiles: Mapping[str, OverheadProfile]) -> tuple[str, ...]:
    """The names of GPUs that two plugins give, each as a sentence with both. Every GPU is read."""
    by_name: dict[str, list[Gpu]] = {}
    for gpu in all_gpus(profiles):
        for spelling in {unbranded(name) for name in names(gpu)}:
            by_name.setdefault(spelling, []).append(gpu)
    found = (_claimed_twice(same[-1].name, same, profiles) for same in by_name.values())
    return tuple(dict.fromkeys(filter(None, found)))


def _claimed_twice(name: str, same: Sequence[Gpu], profiles: Mapping[str, OverheadProfile]) -> str | None:
    """A sentence where GPUs of one name are of two plugins; None where they are one's own namesakes, or nobody knows whose."""
    source_of = getattr(profiles, "source_of", None)
    if source_of is None or len(same) < 2:
        return None
    ids = {id(gpu) for gpu in same}
    sources = {source_of(key): key for key, one in profiles.items() if any(id(gpu) in ids for gpu in one.gpus)}
    if len(sources) < 2:
        return None
    return f"GPU {name!r} is claimed by both {' and '.join(sorted(sources)[:2])}"


def _without_reading_all(name: str, profiles: Mapping[str, OverheadProfile]) -> Gpu | None:
    """The first look in those files only whose text has the name: most names are written there as people type them."""
    wanted = unbranded(name)
    groups = [profile.gpus for profile in profiles.values()]
    likely = [group for group in groups if not isinstance(group, GpusLater) or group.may_have(wanted)]
    found = _by_spelling(name, _gpus_of(likely))
    return found[0] if len(found) == 1 else None


def _by_spelling(name: str, gpus: tuple[Gpu, ...]) -> list[Gpu]:
    wanted = unbranded(name)
    found = matching(gpus, wanted, unbranded)
    if not found and wanted[:1].isdigit():
        consumer = [gpu for gpu in gpus if gpu.kind in ("consumer", "laptop")]
        found = matching(consumer, f"rtx{wanted}", unbranded) or matching(consumer, f"gtx{wanted}", unbranded)
    return found
