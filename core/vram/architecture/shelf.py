"""Specs built once for every context that cannot tell them apart.

A spec depends on a GPU's capability, a parallel size or a length only where its adapter looks at them; most look at
none. A context that remembers what was read tells which: a matrix of models × GPUs × sizes then builds each model once,
and whatever caches by the spec's identity (weights, shapes) is shared as well.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Any

from vram.models.adapter import BuildContext
from vram.models.record import record_fields
from vram.models.spec import ModelSpec

_MOST_MODELS = 512
_MOST_SPECS = 64  # of one model: a search for a length asks for a dozen
#: what differs with a length or a GPU is compared first
_SPEC_FIELDS = tuple(sorted(record_fields(ModelSpec), key=lambda name: name not in ("encoders", "placed", "dtype")))
_FIELDS = frozenset(record_fields(BuildContext))
_READ = "_read"

_Readings = tuple[tuple[str, object], ...]


class _Watched(BuildContext):
    """A context that remembers the fields it was asked for; comparing, hashing or changing it reads them all."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        if name in _FIELDS:
            self.__dict__.setdefault(_READ, {})[name] = value
        return value

    def _plain(self) -> BuildContext:
        return BuildContext(**{name: getattr(self, name) for name in _FIELDS})

    def __eq__(self, other: object) -> bool:
        return self._plain() == other

    def __hash__(self) -> int:
        return hash(self._plain())


class SpecShelf:
    """The specs of the models used last."""

    def __init__(self, most_models: int = _MOST_MODELS) -> None:
        self._most = most_models
        self._models: OrderedDict[Hashable, list[tuple[_Readings, ModelSpec]]] = OrderedDict()
        self._lock = Lock()  # of the order: two threads may build the same spec, and either will do

    def reads(self, model: Hashable, name: str) -> bool:
        """Whether a spec of `model` was built from that field of its context."""
        return any(name == read for readings, _ in self._models.get(model, ()) for read, _ in readings)

    def find(self, model: Hashable, context: BuildContext, build: Callable[[BuildContext], ModelSpec]) -> ModelSpec:
        """The spec of `model` for a context, by `build` where none at hand was built from the same readings."""
        with self._lock:
            known = self._models.setdefault(model, [])
            self._models.move_to_end(model)
            while len(self._models) > self._most:
                self._models.popitem(last=False)
        for readings, spec in known:
            if all(getattr(context, name) == value for name, value in readings):
                return spec
        watched = _Watched(**{name: getattr(context, name) for name in _FIELDS})
        spec = _shared(build(watched), [other for _, other in known])
        known.append((tuple(watched.__dict__.get(_READ, {}).items()), spec))
        del known[:-_MOST_SPECS]
        return spec


def _shared(spec: ModelSpec, known: list[ModelSpec]) -> ModelSpec:
    """One of those at hand that is the same in everything: lengths beyond what a tower can fill, say, make no difference."""
    for other in known if type(spec) is ModelSpec else ():
        if type(other) is ModelSpec and all(getattr(spec, name) == getattr(other, name) for name in _SPEC_FIELDS):
            return other
    return spec
