"""Where GPUs are to be had: the providers' instance types, GPUs that are rented singly, and which are rare. Names, never prices."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from vram.errors import UnknownNameError
from vram.models.record import frozen

_FILE = Path(__file__).with_name("market.toml")


@frozen(kw_only=True)
class Instance:
    """One machine type of a provider: `gpus` GPUs of one kind, rented together."""

    cloud: str
    name: str
    gpu: str
    gpus: int


@frozen(kw_only=True)
class Market:
    """What is rented where. `single` are the GPUs that a cloud rents one by one."""

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
        return next((one for one in self.instances if one.name.casefold() == wanted), None)

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


_ALSO = {"gcp": "google", "amazon": "aws", "microsoft": "azure", "lambdalabs": "lambda"}


@cache
def market() -> Market:
    """The table beside this module."""
    content = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    clouds = content["clouds"]
    return Market(
        instances=tuple(
            Instance(cloud=cloud, name=name, gpu=gpu, gpus=gpus)
            for cloud, facts in clouds.items()
            for name, (gpu, gpus) in facts.get("instances", {}).items()
        ),
        single={cloud: frozenset(facts["gpus"]) for cloud, facts in clouds.items() if "gpus" in facts},
        rare=frozenset(content["rare"]),
    )
