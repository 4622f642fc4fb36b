"""The lenient looks at a GPU's name, for what no catalog has in that spelling. See `vram.gpus.find`."""

from __future__ import annotations

import re

from vram.models.profile import Gpu
from vram.profiles.spelling import BRANDS, matching, names
from vram.units import GIB

HINT_RANGE = (0.88, 1.03)
"""Memory as CUDA reports it over a size people write: 0.91 for a T4 of 16 GB, 0.95 for a GB10 of 128 GB."""

_ARCHITECTURES = ("volta", "turing", "ampere", "lovelace", "hopper", "blackwell")
_IDLE_WORDS = frozenset(
    (*BRANDS, *_ARCHITECTURES, "gpu", "graphics", "card", "edition", "generation", "oam", "accelerator")
)
_WORD = re.compile(r"[a-z0-9]+(?:\.[a-z0-9]+)*")
_GLUED = re.compile(r"\b(rtx|gtx|pro)(?=\d)|(?<=\d{4})(?=(?:ti|super|d)\b)")
_SIZE = re.compile(r"(?<![\w.])(\d[\d,]{0,9}(?:\.\d+)?)\s*(gb|gib|mib|g)(?!\.?\w)")  # not the sizes of "3g.40gb"
_SLICE = re.compile(r"(?<![a-z0-9])(?:mig[-_ ]?)?(\d+g\.\d+gb)(?:[.+]me(?:\.all)?)?(?![a-z0-9])")
_ASIDE = re.compile(r"\([^()]*\)")
_UNMODELLED = (
    (r"\bmi ?\d{2,3}[a-z]*\b|radeon|\brx ?\d{4}|instinct|\bamd\b|\bgfx\d", "an AMD GPU that is not known here"),
    (r"gaudi|\bhpu\b|\barc ?[ab]?\d{3}|intel|\bponte|\bmax ?1\d{3}\b", "an Intel accelerator"),
    (r"\btpu|\bv[2-7][ep]\b", "a Google TPU"),
    (r"inferentia|trainium|\binf\d|\btrn\d", "an AWS accelerator"),
    (r"\bapple\b|\bm[1-9] ?(?:pro|max|ultra)?$", "an Apple GPU"),
    (r"ascend|\b910[abc]\b", "a Huawei accelerator"),
    (
        r"\bgtx ?(?:9|10)\d\d|\btesla [pkm]\d+|\b[pk](?:4|6|40|80|100)\b|\bm(?:40|60)\b|\bquadro [pkm]\d+",
        "older than compute capability 7.0, the lowest that vLLM runs on",
    ),
)


def unmodelled(name: str) -> str | None:
    """What hardware a name is of that nothing here models; None where it looks like no such."""
    plain = name.casefold()
    return next((what for pattern, what in _UNMODELLED if re.search(pattern, plain)), None)


def _words(name: str) -> tuple[str, ...]:
    text = _SIZE.sub(lambda size: f" {size[1]}{'gb' if size[2] == 'g' else size[2]} ", name.casefold())
    words = (re.sub(r"^sxm\d$", "sxm", word) for word in _WORD.findall(_GLUED.sub(r"\1 ", text)))
    return tuple(sorted(word for word in words if word not in _IDLE_WORDS and not word.startswith(("hbm", "gddr"))))


def by_words(name: str, gpus: tuple[Gpu, ...]) -> list[Gpu]:
    """The GPUs one of whose names has the same words in any order."""
    wanted = _words(name)
    return matching(gpus, wanted, _words) if wanted else []


def _without_size(name: str) -> tuple[str, ...]:
    return _words(_SIZE.sub(" ", name.casefold()))


def by_memory(name: str, gpus: tuple[Gpu, ...]) -> list[Gpu]:
    """The GPUs that share the name but for what is in brackets, and have the memory that it says, nearest only."""
    plain = name.casefold()
    size = _SIZE.search(plain)
    bare = _ASIDE.sub(" ", plain)
    if size is None:
        return by_words(bare, gpus) if bare != plain else []
    wanted = _without_size(bare)
    same = matching(gpus, wanted, _without_size) if wanted else []
    asked = float(size[1].replace(",", "")) * (GIB if size[2] != "mib" else GIB / 1024)
    low, high = HINT_RANGE
    near = [gpu for gpu in same if low * asked <= gpu.memory_bytes <= high * asked]
    return near if len(near) < 2 else [min(near, key=lambda gpu: (abs(gpu.memory_bytes - asked), gpu.memory_bytes))]


def by_slice(name: str, gpus: tuple[Gpu, ...]) -> list[Gpu]:
    """The MIG slices of the profile in a name ("mig-3g.20gb"), of GPUs that have its other words; of boards alike the first."""
    plain = name.casefold()
    profile = _SLICE.search(plain)
    if profile is None:
        return []
    words = {*_words(plain[: profile.start()] + " " + plain[profile.end() :])} - {"mig", "nvidia.com"}
    ending = f" MIG {profile[1]}"
    slices = [gpu for gpu in gpus if gpu.name.endswith(ending)]
    same = [gpu for gpu in slices if any(words <= {*_words(one.removesuffix(ending))} for one in names(gpu))]
    return same[:1] if len({(gpu.memory_bytes, gpu.compute_capability) for gpu in same}) == 1 else same
