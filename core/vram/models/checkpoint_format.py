"""The contract of a checkpoint format: files that tell of a whole model by themselves, without a config.json."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from vram.models.checkpoint import Checkpoint

#: gives up to so many of a file's first bytes, and the file's size in bytes (None: unknown)
ReadStart = Callable[[int], tuple[bytes, int | None]]


class CheckpointFormat(ABC):
    """One kind of file, here or on the Hub. `name` is for sentences ("GGUF"), `suffixes` are ends of file names (".gguf").

    A model split into parts ("m-00001-of-00002.gguf") is read from all of their headers, in the order of their names.
    """

    name: str
    suffixes: tuple[str, ...]

    @abstractmethod
    def read_header(self, read: ReadStart, path: str) -> Any:
        """One file's header, which only `checkpoint` looks into. `path` is for errors; ask for no more than the header.

        Raises HeaderError for a file that is broken or lies, CheckpointError.
        """

    @abstractmethod
    def checkpoint(self, headers: tuple[Any, ...], *, model: str, path: str) -> Checkpoint:
        """The model called `model` of which these are the files' headers. Raises CheckpointError for one it cannot tell."""
