"""Profiles whose GPUs and constants are read on first use.

A command asks for one GPU of eight files. Reading all of them takes 15 ms, reading their heads and one of them 5: the
head, up to the first `[[gpus]]` or `[[constants]]`, is TOML of its own and has everything but those two.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from vram.models.profile import Constant, Gpu, OverheadProfile
from vram.models.record import evolve
from vram.profiles.file import parse, read_profiles, read_text
from vram.profiles.spelling import squeezed

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable
    from pathlib import Path

T = TypeVar("T")
_BODY = re.compile(r"^\[\[(?:gpus|constants)\]\]", re.MULTILINE)
_CONSTANTS = re.compile(r"^\[\[constants\]\]", re.MULTILINE)


def open_profiles(path: str | Path | Traversable) -> tuple[OverheadProfile, ...]:
    """As `read_profiles`; GPUs and constants are read on first use, which may raise ProfileError."""
    text = read_text(path)
    body = _BODY.search(text)
    if body is None:
        return read_profiles(path)
    file = _File(path, text)
    gpus = GpusLater(lambda: file.profile.gpus, text)
    constants: Later[Constant] = Later(lambda: file.profile.constants)
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


class GpusLater(Later[Gpu]):
    """The GPUs of a file, which can tell without reading them that a name is not among them."""

    def __init__(self, load: Callable[[], Sequence[Gpu]], text: str) -> None:
        super().__init__(load)
        self._text = text

    @cached_property
    def _squeezed_text(self) -> str:
        return squeezed(self._text)

    def may_have(self, name: str) -> bool:
        """False: no name of a GPU written in the file is `name`, both squeezed."""
        return "_items" in self.__dict__ or name in self._squeezed_text


class _File:
    """A file's profile, parsed once for its GPUs and its constants together."""

    def __init__(self, path: str | Path | Traversable, text: str) -> None:
        self._path, self._text = path, text

    @cached_property
    def profile(self) -> OverheadProfile:
        return parse(self._path, self._text)[0]
