"""What a Slurm script asks for: `#SBATCH` lines, and the options of `srun` and `sbatch` (Slurm's sbatch(1))."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vram.models.record import evolve, frozen
from vram_plugins.readers.gpu_names import gpu_named, mig, uncertain

_DIRECTIVE = re.compile(r"^#SBATCH[ \t]+(.*)$", re.MULTILINE)
_SHORT = {"-N": "--nodes", "-G": "--gpus", "-J": "--job-name", "-C": "--constraint"}
_SLICE = re.compile(r"\d+g\.\d+gb")
_COUNTED = re.compile(r"(?:(?:gres[/:])?gpu:?)?(?:([A-Za-z0-9][\w.-]*)[:=])?(\d{1,4})?(?:\(.*\))?")


@frozen(kw_only=True)
class Allocation:
    """A job's machines. `gpus` are those of one machine, `total` those of all, where that is what it states."""

    name: str = ""
    gpu: str | None = None
    gpus: int | None = None
    total: int | None = None
    nodes: int = 1
    assumed: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    image: str | None = None  # Pyxis's

    @property
    def per_node(self) -> int | None:
        """GPUs of one machine."""
        if self.gpus is not None or self.total is None:
            return self.gpus
        return self.total // self.nodes if self.total % self.nodes == 0 else None

    def variables(self) -> dict[str, str]:
        """What Slurm sets in the job for them."""
        found = {"SLURM_NNODES": str(self.nodes), "SLURM_JOB_NUM_NODES": str(self.nodes)}
        if self.per_node is not None:
            found |= {"SLURM_GPUS_ON_NODE": str(self.per_node), "SLURM_GPUS_PER_NODE": str(self.per_node)}
        if self.total is not None:
            found["SLURM_GPUS"] = str(self.total)
        return found


def allocation_of(text: str) -> Allocation | None:
    """The job that a script's `#SBATCH` lines ask for; None without any."""
    lines = _DIRECTIVE.findall(text)
    if not lines:
        return None
    words = [word for line in lines for word in re.sub(r"\s#.*", "", line).split()]
    return with_options(Allocation(), words)


def with_options(allocation: Allocation, words: Sequence[str]) -> Allocation:
    """An allocation with what options of `sbatch` or `srun` say over it."""
    for name, quoted in _options(words):
        value = quoted.strip("\"'")
        if name == "--nodes" and (match := re.match(r"(\d{1,5})\b", value)):
            allocation = evolve(allocation, nodes=max(int(match[1]), 1))
        elif name == "--job-name":
            allocation = evolve(allocation, name=value[:80])
        elif name in {"--gres", "--gpus-per-node", "--gpus-per-task", "--gpus"}:
            allocation = _with_gpus(allocation, name, value)
        elif name == "--container-image":
            allocation = evolve(allocation, image=re.sub(r"^docker://|^[\w.-]+#", "", value))
        elif name == "--constraint":
            allocation = _constrained(allocation, value)
    return allocation


def _constrained(allocation: Allocation, value: str) -> Allocation:
    """A node's feature: a GPU, or the memory of one that is known by a name that two boards have."""
    if allocation.gpu is None:
        gpu = gpu_named(value)
        return evolve(allocation, gpu=gpu, assumed=uncertain(value, gpu)) if gpu else allocation
    size = re.fullmatch(r"(?:gpu|vram|hbm)?-?(\d+)gb?", value.lower())
    if size and allocation.assumed and (gpu := gpu_named(f"{allocation.gpu.split()[0]}-{size[1]}GB")):
        return evolve(allocation, gpu=gpu, assumed=())
    return allocation


def _with_gpus(allocation: Allocation, name: str, value: str) -> Allocation:
    for part in value.split(","):
        if name == "--gres" and not part.removeprefix("gres/").startswith("gpu"):
            continue
        match = _COUNTED.fullmatch(part.strip())
        if match is None:
            continue
        if match[1]:
            gpu = gpu_named(match[1].replace("_", "-")) or gpu_named(match[1])
            gpu = gpu or (mig(match[1], None) if _SLICE.fullmatch(match[1]) else None)
            left_out = () if gpu else (f"the GPU {match[1][:40]}, which is not known here",)
            allocation = evolve(allocation, gpu=gpu, assumed=uncertain(match[1], gpu), left_out=left_out)
        count = int(match[2]) if match[2] else 1 if name == "--gres" else None
        if count is None:
            continue
        allocation = evolve(allocation, total=count) if name == "--gpus" else evolve(allocation, gpus=count)
    return allocation


def _options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Long names with their values, whether attached or the next word."""
    for index, word in enumerate(words):
        name, equals, value = word.partition("=")
        following = words[index + 1] if index + 1 < len(words) else ""
        if name in _SHORT:
            yield _SHORT[name], value or following
        elif match := re.fullmatch(r"(-[NGJC])(\S+)", word):
            yield _SHORT[match[1]], match[2]
        elif word.startswith("--"):
            yield name, value if equals else following
