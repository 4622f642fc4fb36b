"""Where GPUs are to be had: the machine types of the clouds, GPUs that are rented singly, and which are rare. Names, never prices.

The machine types are those that deployment files are read with (`readers/instance_types.txt`, by cloud).
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from vram.errors import UnknownNameError
from vram.models.record import frozen
from vram_plugins.readers.gpu_names import instance_types, patterns_of


@frozen(kw_only=True)
class Instance:
    """One machine type of a provider: `gpus` GPUs of one kind, rented together."""

    cloud: str
    name: str
    gpu: str
    gpus: int


@frozen(kw_only=True)
class Market:
    """What is rented where; a `*` in a machine type's name stands for one size. `single` are the GPUs that a cloud rents one by one."""

    instances: tuple[Instance, ...]
    single: Mapping[str, frozenset[str]]
    rare: frozenset[str]

    @property
    def clouds(self) -> tuple[str, ...]:
        """Every provider's name."""
        return tuple(dict.fromkeys((*(one.cloud for one in self.instances), *self.single)))

    def instance(self, name: str) -> Instance | None:
        """The machine type of that name, however it is cased."""
        wanted = name.strip().casefold()
        exact = next((one for one in self.instances if one.name == wanted), None)
        patterns = patterns_of(wanted)
        found = exact or next((one for one in self.instances if one.name in patterns), None)
        return found and Instance(cloud=found.cloud, name=wanted, gpu=found.gpu, gpus=found.gpus)

    def offers(self, cloud: str, gpu: str, count: int) -> str | None:
        """What of a cloud holds so many GPUs: the smallest machine type, the GPU's own name where it is rented singly, or None."""
        fitting = [one for one in self.instances if one.cloud == cloud and one.gpu == gpu and one.gpus >= count]
        if fitting:
            return min(fitting, key=lambda one: one.gpus).name
        return gpu if gpu in self.single.get(cloud, ()) else None

    def cloud_named(self, name: str) -> str:
        """A provider as people write it. Raises UnknownNameError."""
        wanted = name.strip().casefold()
        found = _ALSO.get(wanted, wanted)
        if found not in self.clouds:
            raise UnknownNameError(kind="cloud", name=name, known=self.clouds)
        return found


_ALSO = {"gcp": "google", "amazon": "aws", "microsoft": "azure", "lambdalabs": "lambda", "oci": "oracle"}


@cache
def market() -> Market:
    """The tables of this package and of the readers."""
    content = tomllib.loads(files("vram_plugins.compare").joinpath("market.toml").read_text(encoding="utf-8"))
    single = {cloud: set(names) for cloud, names in content["single"].items()}
    instances = []
    for cloud, name, gpu, count in instance_types():
        if count.isdecimal():
            instances.append(Instance(cloud=cloud, name=name, gpu=gpu, gpus=int(count)))
        else:  # a platform of several sizes, one among them
            single.setdefault(cloud, set()).add(gpu)
    return Market(
        instances=tuple(instances),
        single={cloud: frozenset(names) for cloud, names in single.items()},
        rare=frozenset(content["rare"]),
    )
