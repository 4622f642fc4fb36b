"""The machines of Terraform's resources: instance types, accelerators put into them, and the only one with GPUs of a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from vram_plugins.readers.documents import Block, Items, Text, number
from vram_plugins.readers.gpu_names import gpu_named, machine, uncertain
from vram_plugins.readers.hcl import Unit

_MACHINES = (
    "instance_type",
    "machine_type",
    "vm_size",
    "size",
    "type",
    "plan",
    "flavor_name",
    "instance_types",
    "shape",
)


def machine_of(body: Block) -> tuple[str | None, int | None, tuple[str, ...]]:
    """The GPUs of a machine: its type, or the accelerators put into it."""
    for found in blocks_below(body, 0):
        for accelerator in found.blocks("guest_accelerator"):
            label = accelerator.text("type") or ""
            gpu = gpu_named(label.rsplit("/", 1)[-1])
            return gpu, number(accelerator.get("count")), uncertain(label, gpu)
        for key in _MACHINES:
            value = found.get(key)
            types = value.texts() if isinstance(value, Items) else [value] if isinstance(value, Text) else []
            held = {kind for one in types if (kind := machine(one)) is not None}
            if len({one.gpu for one in held}) == 1:
                counts = {one.count for one in held}
                return next(iter(held)).gpu, counts.pop() if len(counts) == 1 else None, ()
    return None, None, ()


def only_gpu(units: Sequence[Unit]) -> str | None:
    """The GPU of the only kind of machine with GPUs that a file makes; None where it makes none or several.

    A container of ECS or of Kubernetes that asks for GPUs runs on the machines of its cluster.
    """
    found = {gpu for unit in units if unit.kind in {"resource", "module"} if (gpu := machine_of(unit.body)[0])}
    return found.pop() if len(found) == 1 else None


def blocks_below(value: Any, depth: int) -> Iterator[Block]:
    if depth > 12:
        return
    if isinstance(value, Block):
        yield value
    for inner in value.values() if isinstance(value, Block) else value if isinstance(value, Items) else ():
        yield from blocks_below(inner, depth + 1)
