"""Profiles whose GPUs and constants are read on first use.

A command asks for one GPU of eight files. Reading all of them takes 15 ms, reading their heads and one of them 5: the
head, up to the first `[[gpus]]` or `[[constants]]`, is TOML of its own and has everything but those two. Whoever looks for
some GPU among all reads outlines, found by their lines, and then the one table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, cached_property
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar, overload

from vram.models.platform import CUDA
from vram.models.profile import Constant, Gpu, OverheadProfile
from vram.models.record import evolve
from vram.profiles.file import parse, read_profiles, read_text
from vram.profiles.spelling import squeezed
from vram.units import GIB

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

T = TypeVar("T")
_BODY = re.compile(r"^\[\[(?:gpus|constants)\]\]", re.MULTILINE)
_CONSTANTS = re.compile(r"^\[\[constants\]\]", re.MULTILINE)
_TABLE = re.compile(r"^(?=\[\[)", re.MULTILINE)
_LINE = re.compile(
    r'^(name|kind|platform|memory_gib|bandwidth_gb_s|unified_memory) *= *"?([^"#\n]*?)"? *(?:#.*)?$', re.MULTILINE
)


def open_profiles(path: str | Path | Traversable) -> tuple[OverheadProfile, ...]:
    """As `read_profiles`; GPUs and constants are read on first use, which may raise ProfileError."""
    text = read_text(path)
    body = _BODY.search(text)
    if body is None:
        return read_profiles(path)
    file = _File(path, text)
    gpus = GpusLater(lambda: file.gpus, text, file.outlines)
    constants: Later[Constant] = Later(lambda: file.constants)
    return tuple(
        evolve(profile, gpus=gpus, constants=constants)
        for profile in parse(path, text[: body.start()], calibrated=_CONSTANTS.search(text) is not None)
    )


class Later(Sequence[T], Generic[T]):
    """A sequence that is loaded on first use."""

    def __init__(self, load: Callable[[], Sequence[T]]) -> None:
        self._load = load

    @cached_property
    def _items(self) -> Sequence[T]:
        return self._load()

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._items[index]

    def __iter__(self) -> Iterator[T]:
        return iter(self._items)

    def __repr__(self) -> str:
        return repr(self._items)


class Outline(NamedTuple):
    """What is told of a GPU before its table is read; `read` reads it, which may raise ProfileError."""

    name: str
    memory_bytes: int
    bandwidth: float
    kind: str
    unified_memory: bool
    read: Callable[[], Gpu]
    platform: str = CUDA


def outline_of(gpu: Gpu) -> Outline:
    """That of a GPU which is read already."""
    return Outline(gpu.name, gpu.memory_bytes, gpu.bandwidth, gpu.kind, gpu.unified_memory, lambda: gpu, gpu.platform)


class GpusLater(Later[Gpu]):
    """The GPUs of a file, which can tell without reading them that a name is not among them, and what is."""

    def __init__(self, load: Callable[[], Sequence[Gpu]], text: str, outlines: Callable[[], Sequence[Outline]]) -> None:
        super().__init__(load)
        self._text = text
        self._outlines = outlines

    @cached_property
    def _squeezed_text(self) -> str:
        return squeezed(self._text)

    @cached_property
    def outlines(self) -> Sequence[Outline]:
        """Its whole GPUs (no slices of them)."""
        return self._outlines()

    def may_have(self, name: str) -> bool:
        """False: no name of a GPU written in the file is `name`, both squeezed."""
        return "_items" in self.__dict__ or name in self._squeezed_text


class _File:
    """A file cut into its tables, GPUs and constants parsed once each."""

    def __init__(self, path: str | Path | Traversable, text: str) -> None:
        self._path = path
        self._head, *self._tables = _TABLE.split(text)

    @cached_property
    def gpus(self) -> Sequence[Gpu]:
        return self._parsed(table for table in self._tables if not _CONSTANTS.match(table)).gpus

    @cached_property
    def _platform(self) -> str:
        return str(dict(_LINE.findall(self._head)).get("platform", CUDA))

    @cached_property
    def constants(self) -> Sequence[Constant]:
        return self._parsed(filter(_CONSTANTS.match, self._tables)).constants

    def outlines(self) -> Sequence[Outline]:
        return [self._outline(table) for table in self._tables if table.startswith("[[gpus]]")]

    def _outline(self, table: str) -> Outline:
        told = dict(_LINE.findall(table))
        try:
            return Outline(
                name=told["name"],
                memory_bytes=int(float(told["memory_gib"]) * GIB),
                bandwidth=float(told["bandwidth_gb_s"]) * 1e9,
                kind=told.get("kind", "data centre"),
                unified_memory=told.get("unified_memory") == "true",
                read=cache(lambda: self._parsed([table]).gpus[0]),
                platform=told.get("platform") or self._platform,
            )
        except (KeyError, ValueError):  # written otherwise: the table tells
            return outline_of(self._parsed([table]).gpus[0])

    def _parsed(self, tables: Iterable[str]) -> OverheadProfile:
        return parse(self._path, "".join((self._head, *tables)))[0]
