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
        spec = build(watched)
        known.append((tuple(watched.__dict__.get(_READ, {}).items()), spec))
        while len(self._models) > self._most:
            self._models.popitem(last=False)
        return spec
