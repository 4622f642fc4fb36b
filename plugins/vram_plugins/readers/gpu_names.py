"""From what files call a GPU to the name that `vram profiles` has: product labels, clouds' accelerators, instance types, MIG slices.

Tables say what cannot be read off a label: a GKE `nvidia-tesla-a100` has 40 GB, "A100" elsewhere is the one with 80. Nothing is
guessed: a label that fits no GPU or several is None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files

from vram.errors import VramError
from vram.models.record import frozen

_PARTITION = re.compile(r"(?:mig-)?(\d+g\.\d+gb)(?:\.me|\+me)?", re.IGNORECASE)
_SUFFIX = re.compile(r"[-_ ](?:shared|mig-[\w.+-]+)$", re.IGNORECASE)
_SLICE = re.compile(r"[-_ ]mig-(\d+g\.\d+gb)", re.IGNORECASE)
#: keys under which nodes carry their GPU; a key that holds an instance type names it by the machine
_LABEL = re.compile(
    r"nvidia\.com/gpu\.product|amd\.com/gpu\.product-name$|gke-accelerator$|instance-gpu-name$|gpu\.nvidia\.com/(?:class|model)|nvidia_name$"
    r"|k8s\.amazonaws\.com/accelerator|[/.-]gpu-?(?:product|type|model|name)$|^(?:gpu|gpu-?(?:type|model|name|product)|accelerator|accelerator-?type)$",
    re.IGNORECASE,
)
#: keys of somebody's own, whose value counts where all of it names a GPU ("gpuspecs: A100_40GB")
_OWN_LABEL = re.compile(r"gpu|accelerator|nvidia|hardware", re.IGNORECASE)
_MACHINE = re.compile(
    r"instance-type$|instance_type$|machine-type$|node-type$|[/.]shape$|vm-size$|instance-?family$|karpenter\.k8s\.aws/instance-size$",
    re.IGNORECASE,
)
_PROCESSORS = re.compile(
    r"(?:[cmr]\d{1,2}[a-z]*(?:-[a-z]+)?|t(?:[1-3]a?|4g))(?:\.(?:nano|micro|small|medium|metal|\d*x?large)[\w-]*)?"
)
_BOARD = re.compile(r" (?:SXM|PCIe|NVL)\b")  # the same memory on another board
_LONGEST = 80


@frozen(kw_only=True)
class Machine:
    """What a cloud's instance type holds; `count` is None for a family of several sizes."""

    gpu: str
    count: int | None


def gpu_named(label: str) -> str | None:
    """The GPU of a product label, an accelerator or a plain name ("Tesla-T4", "nvidia-l4", "A100-80GB"); None for none or several."""
    if not 1 < len(label) <= _LONGEST or not any(c.isdigit() for c in label):
        return None
    slice_ = _SLICE.search(label)
    name = _whole(_SUFFIX.sub("", label).strip().lower())
    return mig(slice_[1], name) if slice_ else name


def uncertain(label: str, gpu: str | None) -> tuple[str, ...]:
    """What is assumed of a plain name that boards with more and with less memory go by."""
    plain = re.sub(r"^(?:nvidia|tesla)[-_ ]|[-_ ]shared$", "", label.strip().lower())
    return (
        (f"the GPU is an {gpu} ({plain.upper()} may be one with other memory)",)
        if gpu and plain in {"a100", "v100"}
        else ()
    )


@lru_cache(maxsize=256)
def _whole(label: str) -> str | None:
    known = _labels().get(label)
    if known is not None:
        return known
    from vram.gpus import find_gpu
    from vram.plugin import plugins

    for spelling in (label.replace("_", " "), label.replace("_", "-")):
        try:
            return find_gpu(spelling, plugins().profiles).name
        except VramError:
            continue
    return None


def machine(instance: str) -> Machine | None:
    """The GPUs of an instance type ("g5.12xlarge") or of a family whose sizes all have the same GPU ("g5")."""
    name = instance.strip().lower().removeprefix("ml.")
    machines = _machines()
    found = machines.get(name) or next((machines[p] for p in patterns_of(name) if p in machines), None)
    if found is not None:
        return found
    family = [held for one, held in machines.items() if one.split(".")[0] == name]
    return Machine(gpu=family[0].gpu, count=None) if family and len({held.gpu for held in family}) == 1 else None


def by_label(key: str, value: str) -> tuple[str | None, int | None] | None:
    """The GPU and the number of them that a node's label says; None where the label is of something else."""
    if key.endswith("/compute-class"):
        named = _class_named(value)
        return (named, None) if named else None
    if _MACHINE.search(key):
        held = machine(value)
        return (held.gpu, held.count) if held else None
    if _LABEL.search(key) and value.lower() not in {"true", "nvidia", "gpu", "present", ""}:
        return gpu_named(value), None
    own = gpu_named(value) if _OWN_LABEL.search(key) else None
    return (own, None) if own else None


def without_gpus(key: str, value: str) -> bool:
    """Whether a node's label says an instance type, or a family, of AWS that has no GPU (C, M, R and T)."""
    return _MACHINE.search(key) is not None and _PROCESSORS.fullmatch(value.strip().lower()) is not None


def _class_named(value: str) -> str | None:
    """The GPU in the name that people give a compute class of GKE ("gpu-h100-80gb-high-x8"): its longest beginning that names one."""
    parts = value.lower().removeprefix("gpu-").split("-") if value.lower().startswith("gpu-") else []
    return next((named for n in range(min(len(parts), 4), 0, -1) if (named := gpu_named("-".join(parts[:n])))), None)


def partition(resource: str) -> str | None:
    """The MIG profile in the name of a resource ("nvidia.com/mig-3g.20gb"), None for whole GPUs."""
    match = _PARTITION.fullmatch(resource.rsplit("/", 1)[-1])
    return match[1].lower() if match and "mig" in resource.lower() else None


def mig(profile: str, gpu: str | None) -> str | None:
    """The name of a MIG slice of a GPU; of the only kind that has such slices where none is said."""
    from vram.gpus import all_gpus
    from vram.plugin import plugins

    ending = f" MIG {profile.lower()}"
    names = [found.name for found in all_gpus(plugins().profiles) if found.name.endswith(ending)]
    if gpu is not None:
        return gpu + ending if gpu + ending in names else None
    boards = {_BOARD.sub("", name) for name in names}
    return names[0] if len(boards) == 1 else None


def patterns_of(name: str) -> tuple[str, ...]:
    """The lines of the table that stand for every size of an instance type's family."""
    family, dot, _ = name.partition(".")
    return (f"{family}.*" if dot else "", f"{name.rsplit('-', 1)[0]}-*")


@lru_cache(maxsize=1)
def _labels() -> dict[str, str]:
    lines = _text("gpu_labels.txt").splitlines()
    return dict(line.split(" · ") for line in lines if line and not line.startswith("#"))


@lru_cache(maxsize=1)
def _machines() -> dict[str, Machine]:
    return {
        name: Machine(gpu=gpu, count=int(count) if count.isdecimal() else None)
        for _, name, gpu, count in instance_types()
    }


def instance_types() -> Iterator[tuple[str, str, str, str]]:
    """(cloud, machine type, GPU, how many): each line under the heading of its cloud, whose first word is its name."""
    cloud = ""
    for line in _text("instance_types.txt").splitlines():
        if line.startswith("# ") and " · " not in line:
            cloud = line[2:].split()[0].strip(":").casefold()
        elif line and not line.startswith("#"):
            name, gpu, count = line.split(" · ")
            yield cloud, name, gpu, count


def _text(name: str) -> str:
    return files("vram_plugins.readers").joinpath(name).read_text(encoding="utf-8")
