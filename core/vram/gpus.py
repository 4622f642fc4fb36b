"""From the name of a GPU, as people type it or drivers print it, to its record. Pure: the profiles are given.

Three looks, from exact to lenient, so that a name which is known never reaches a guess:

1. spelling: case, spaces, hyphens and the brand ("NVIDIA GeForce RTX 4090", "rtx4090", "4090");
2. words: their order and words that say nothing of the model ("H100 SXM5 80GB HBM3", "RTX 6000 Ada Generation");
3. memory: a size in the name chooses among GPUs that share the rest ("H100 (65247 MiB)"); no such size, no answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping

from vram.errors import InputError, OtherVendorError, UnknownNameError
from vram.models.profile import Gpu, OverheadProfile
from vram.units import GIB

GENERIC = "generic"
LONGEST_NAME = 200
HINT_RANGE = (0.88, 1.03)
"""Memory as CUDA reports it over a size people write: 0.91 for a T4 of 16 GB, 0.95 for a GB10 of 128 GB, 1.0 for MiB."""

_PUNCTUATION = str.maketrans("", "", " \t-_/.,()®™:'\"")
_BRANDS = ("nvidia", "geforce", "tesla", "quadro", "grid")
_IDLE_WORDS = frozenset(
    (*_BRANDS, "gpu", "graphics", "card", "edition", "generation")
    + ("volta", "turing", "ampere", "lovelace", "hopper", "blackwell")
)
_WORD = re.compile(r"[a-z0-9]+(?:\.[a-z0-9]+)*")
_GLUED = re.compile(r"\b(rtx|gtx|pro)(?=\d)|(?<=\d{4})(?=(?:ti|super|d)\b)")
_SIZE = re.compile(r"\b(\d{1,3}(?:,?\d{3})*|\d+\.\d+)\s*(gb|gib|mib|g)\b")
_UNMODELLED = (
    (re.compile(r"\bmi ?\d{2,3}[a-z]*\b|radeon|\brx ?\d{4}|instinct|\bamd\b|\bgfx\d"), "an AMD GPU"),
    (re.compile(r"gaudi|\bhpu\b|\barc ?[ab]?\d{3}|intel|\bponte|\bmax ?1\d{3}\b"), "an Intel accelerator"),
    (re.compile(r"\btpu|\bv[2-7][ep]\b"), "a Google TPU"),
    (re.compile(r"inferentia|trainium|\binf\d|\btrn\d"), "an AWS accelerator"),
    (re.compile(r"\bapple\b|\bm[1-9] ?(?:pro|max|ultra)?$"), "an Apple GPU"),
    (re.compile(r"ascend|\b910[abc]\b"), "a Huawei accelerator"),
    (
        re.compile(r"\bgtx ?(?:9|10)\d\d|\btesla [pkm]\d+|\b[pk](?:4|6|40|80|100)\b|\bm(?:40|60)\b|\bquadro [pkm]\d+"),
        "older than compute capability 7.0, the lowest that vLLM runs on",
    ),
)


def find_gpu(name: str, profiles: Mapping[str, OverheadProfile]) -> Gpu:
    """The GPU of that name. "A + B" (a machine of two kinds) is the one with less memory: the other has to wait for it.

    Raises UnknownNameError with the nearest names, OtherVendorError for hardware that is not modelled, InputError for
    what is no name.
    """
    if not isinstance(name, str) or not name.strip() or len(name) > LONGEST_NAME:
        shown = name[:40] if isinstance(name, str) else type(name).__name__
        raise InputError(name="gpu", value=shown, problem="must be the name of a GPU")
    gpus = all_gpus(profiles)
    parts = [part for part in name.split(" + ") if part.strip()]
    if len(parts) > 1:
        return min((_find_one(part, gpus) for part in parts), key=lambda gpu: gpu.memory_bytes)
    return _find_one(name, gpus)


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
    found: dict[int, Gpu] = {}
    for profile in profiles.values():
        for gpu in profile.gpus:
            found.setdefault(id(gpu), gpu)
    return tuple(found.values())


def _find_one(name: str, gpus: tuple[Gpu, ...]) -> Gpu:
    for look in (_by_spelling, _by_words, _by_memory):
        found = look(name, gpus)
        if len(found) == 1:
            return found[0]
        if found:
            raise UnknownNameError(kind="GPU", name=name, known=tuple(gpu.name for gpu in found))
    plain = name.casefold()
    for pattern, what in _UNMODELLED:
        if pattern.search(plain):
            raise OtherVendorError(name="gpu", value=name, problem=f"is {what}")
    raise UnknownNameError(
        kind="GPU", name=name, known=tuple(known for gpu in gpus for known in (gpu.name, *gpu.aliases))
    )


def _names(gpu: Gpu) -> Iterator[str]:
    yield gpu.name
    yield from gpu.driver_names
    yield from gpu.aliases


def _matching(gpus: Iterable[Gpu], wanted: Hashable, key: Callable[[str], Hashable]) -> list[Gpu]:
    return [gpu for gpu in gpus if any(key(name) == wanted for name in _names(gpu))]


def _squeezed(name: str) -> str:
    text = name.casefold().translate(_PUNCTUATION)
    shorter = True
    while shorter:
        shorter = False
        for brand in _BRANDS:
            if text.startswith(brand) and text != brand:
                text, shorter = text[len(brand) :], True
    return text.removesuffix("gpu")


def _by_spelling(name: str, gpus: tuple[Gpu, ...]) -> list[Gpu]:
    wanted = _squeezed(name)
    found = _matching(gpus, wanted, _squeezed)
    if not found and wanted[:1].isdigit():
        consumer = [gpu for gpu in gpus if gpu.kind in ("consumer", "laptop")]
        found = _matching(consumer, f"rtx{wanted}", _squeezed) or _matching(consumer, f"gtx{wanted}", _squeezed)
    return found


def _words(name: str) -> tuple[str, ...]:
    text = _SIZE.sub(lambda size: f" {size[1]}{'gb' if size[2] == 'g' else size[2]} ", name.casefold())
    words = (re.sub(r"^sxm\d$", "sxm", word) for word in _WORD.findall(_GLUED.sub(r"\1 ", text)))
    return tuple(sorted(word for word in words if word not in _IDLE_WORDS and not word.startswith(("hbm", "gddr"))))


def _by_words(name: str, gpus: tuple[Gpu, ...]) -> list[Gpu]:
    wanted = _words(name)
    return _matching(gpus, wanted, _words) if wanted else []


def _without_size(name: str) -> tuple[str, ...]:
    return _words(_SIZE.sub(" ", name.casefold()))


def _by_memory(name: str, gpus: tuple[Gpu, ...]) -> list[Gpu]:
    plain = name.casefold()
    size = _SIZE.search(plain)
    wanted = _without_size(re.sub(r"\([^)]*\)", " ", plain))
    if not wanted or (size is None and "(" not in plain):
        return []
    same = _matching(gpus, wanted, _without_size)
    if size is None:
        return _by_words(re.sub(r"\([^)]*\)", " ", plain), gpus)
    asked = float(size[1].replace(",", "")) * (GIB if size[2] != "mib" else GIB / 1024)
    low, high = HINT_RANGE
    near = [gpu for gpu in same if low * asked <= gpu.memory_bytes <= high * asked]
    return near if len(near) < 2 else [min(near, key=lambda gpu: (abs(gpu.memory_bytes - asked), gpu.memory_bytes))]
