"""Which GPUs are compared: by name, or all of some kinds, clouds, sizes of memory, and in stock."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from vram.checkpoint import read_whole
from vram.errors import CheckpointError, InputError, UnknownNameError
from vram.gpus import all_gpus, find_gpu
from vram.models.profile import Gpu
from vram.models.record import frozen
from vram.plugin import Plugins
from vram.units import GIB
from vram_plugins.compare.market import market

_MOST_GPUS = 4096
_LARGEST_FILE = 2**20
_RENTED = ("data centre", "workstation", "consumer")
_KINDS = {
    "datacenter": ("data centre",), "datacentre": ("data centre",), "data centre": ("data centre",),
    "workstation": ("workstation",), "consumer": ("consumer",), "laptop": ("laptop",), "edge": ("embedded", "laptop"),
    "embedded": ("embedded",), "slice": ("partition",),
}  # fmt: skip


@frozen(kw_only=True)
class Wanted:
    """What narrows the choice; None does not. `stock` is a file or names of GPUs and machine types."""

    names: str | Sequence[str] | None = None
    kinds: Sequence[str] | None = None
    clouds: Sequence[str] | None = None
    least_gib: float | None = None
    most_gib: float | None = None
    stock: str | os.PathLike[str] | Sequence[str] | None = None


def chosen_gpus(registry: Plugins, wanted: Wanted) -> tuple[Gpu, ...]:
    """The GPUs, each once. Raises UnknownNameError, InputError where none is left."""
    if wanted.names is None:
        kinds = _kinds(wanted.kinds) or _RENTED
        found = {gpu.name: gpu for gpu in all_gpus(registry.profiles) if gpu.kind in kinds}
    else:
        listed = (wanted.names,) if isinstance(wanted.names, str) else tuple(wanted.names)
        if not 1 <= len(listed) <= _MOST_GPUS:
            raise InputError(name="gpus", value=len(listed), problem=f"must be from 1 to {_MOST_GPUS} names")
        found = {gpu.name: gpu for gpu in (_named(name, registry) for name in listed)}
        if kinds := _kinds(wanted.kinds):
            found = {name: gpu for name, gpu in found.items() if gpu.kind in kinds}
    if wanted.clouds:
        clouds = [market().cloud_named(name) for name in wanted.clouds]
        found = {n: gpu for n, gpu in found.items() if any(market().offers(cloud, n, 1) for cloud in clouds)}
    if wanted.stock is not None:
        stock = {_named(name, registry).name for name in _stocked(wanted.stock)}
        found = {name: gpu for name, gpu in found.items() if name in stock}
    least, most = wanted.least_gib or 0.0, wanted.most_gib or float("inf")
    # a card is sold by the size on its box, which is more than CUDA reports
    left = tuple(gpu for gpu in found.values() if least * 0.9 <= gpu.memory_bytes / GIB <= most)
    if not left:
        raise InputError(
            name="gpus", value=None, problem="none is left of the kinds, clouds, memory and stock asked for"
        )
    return left


def _named(name: str, registry: Plugins) -> Gpu:
    """A GPU by its name, or by that of a machine type that has it. Raises UnknownNameError."""
    instance = market().instance(name)
    return find_gpu(instance.gpu if instance else name, registry.profiles)


def _kinds(names: Sequence[str] | None) -> tuple[str, ...]:
    found: list[str] = []
    for name in names or ():
        kinds = _KINDS.get(name.strip().casefold())
        if kinds is None:
            raise UnknownNameError(
                kind="kind of GPU", name=name, known=("datacenter", "workstation", "consumer", "edge")
            )
        found += kinds
    return tuple(found)


def _stocked(stock: str | os.PathLike[str] | Sequence[str]) -> Iterable[str]:
    """Names with commas, or one a line of a file (what follows a comma there, such as a number, is not read)."""
    if isinstance(stock, os.PathLike) or (isinstance(stock, str) and Path(stock).is_file()):
        try:
            lines = read_whole(str(stock), _LARGEST_FILE).decode("utf-8-sig").splitlines()
        except CheckpointError as error:
            raise InputError(name="in_stock", value=str(stock), problem=error.data["problem"]) from None
        except UnicodeDecodeError:
            raise InputError(name="in_stock", value=str(stock), problem="is not text in UTF-8") from None
        names = [line.partition(",")[0].partition("#")[0] for line in lines]
    else:
        names = stock.split(",") if isinstance(stock, str) else list(stock)
    found = [name.strip() for name in names if name.strip() and name.strip().casefold() != "gpu"]
    if not found:
        raise InputError(name="in_stock", value=str(stock)[:80], problem="names no GPU")
    return found
