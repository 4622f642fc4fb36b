"""What a walk over a script's commands has in common, whichever of them it looks at, and what it finds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from vram_plugins.readers.shell_syntax import Node, Simple
from vram_plugins.readers.shell_values import Expander, Scope


class Started(NamedTuple):
    """One command. `words` hold marks where a value is missing; `at` is its place in the script's text.

    `document` is its here-document with variables put in, and its place; `target` the file its output goes to.
    """

    words: tuple[str, ...]
    at: int
    environment: Callable[[], dict[str, str]]
    document: tuple[str, int] | None = None
    target: str | None = None


class Flow(ABC):
    """One walk over a script; what a command does, whoever walks tells."""

    def __init__(self, beside: Callable[[str], str | None]) -> None:
        self.beside = beside
        self.expand = Expander(beside)
        self.depth = 0
        self.repeats = 0
        self.forks: list[tuple[int, list[int]]] = []
        self.forced: dict[int, int] = {}

    @abstractmethod
    def node(self, node: Node, scope: Scope) -> Iterator[Started]:
        """What one command starts."""

    @abstractmethod
    def simple(self, node: Simple, scope: Scope) -> Iterator[Started]:
        """What a command without others in it starts."""

    def nodes(self, nodes: Sequence[Node], scope: Scope) -> Iterator[Started]:
        for node in nodes:
            yield from self.node(node, scope)
