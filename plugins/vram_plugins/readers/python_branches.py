"""Branches and loops of a Python module, as far as it tells which are taken and how often."""

from __future__ import annotations

import ast
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from vram_plugins.readers.python_assigned import Assigning
from vram_plugins.readers.python_engine import Room
from vram_plugins.readers.python_held import MOST_ROUNDS, Called, Missing, Names, Parser, dotted, items_of, same
from vram_plugins.readers.python_started import Starts
from vram_plugins.readers.python_values import value_of

#: what whoever starts a program chooses by: variables, and names that say so
_CHOSEN = re.compile(r"vllm|environ|getenv", re.IGNORECASE)


class Branching(ABC):
    """The branches and loops of a walk."""

    starts: Starts
    assigning: Assigning

    @abstractmethod
    def body(self, statements: Sequence[ast.stmt], names: Names, room: Room) -> None:
        """Statements one after the other."""

    @abstractmethod
    def calls(self, node: ast.expr, names: Names, room: Room) -> None:
        """The calls in an expression."""

    def branches(self, node: ast.If, names: Names, room: Room) -> None:
        """Both branches where only a run would tell; lists of the untaken one are as they were."""
        self.calls(node.test, names, room)
        test = value_of(node.test, names)
        if not isinstance(test, Missing | Called):
            taken, other = (node.body, node.orelse) if test else (node.orelse, node.body)
            before_it = len(self.starts.found)
            self.body(taken, names, room)
            if other and len(self.starts.found) == before_it and chosen(node.test, names):
                self.aside(other, names, room)
            return
        if isinstance(node.test, ast.Compare) and dotted(node.test.left) == "__name__":
            self.body(node.body, names, room)
            return
        before = self.lists()
        absent = isinstance(test, Missing)
        kept = dict(names.values)
        self.body(node.body, names, room)
        after = names.values
        names.values = kept
        self.restore(before)
        self.body(node.orelse, names, room)
        if node.orelse or not absent:
            for name in {*after, *names.values}:
                if name not in after or name not in names.values or not same(after[name], names.values[name]):
                    names.values[name] = Missing(name)
        else:
            for name, held in after.items():
                old = names.values.get(name, names.get(name))
                if not isinstance(held, list | dict) and not same(held, old):
                    names.values[name] = Missing(name) if not isinstance(old, Missing) else held

    def loop(self, node: ast.For | ast.AsyncFor, names: Names, room: Room) -> None:
        self.calls(node.iter, names, room)
        over = items_of(value_of(node.iter, names))
        values = list(over or ())[:MOST_ROUNDS]
        if over is None or len(over) > MOST_ROUNDS:
            values.append(Missing(dotted(node.target) or "…"))
        has_server = any(isinstance(child, ast.Call) for part in node.body for child in ast.walk(part))
        for held in values if has_server or len(values) < 9 else [values[0]]:
            self.assigning.assign(node.target, held, names, room)
            self.body(node.body, names, room)

    def aside(self, statements: Sequence[ast.stmt], names: Names, room: Room) -> None:
        """What the branch would start that a run without arguments does not take, and that another run may: it leaves nothing behind."""
        before, kept = self.lists(), dict(names.values)
        tables = [(held, dict(held)) for held in kept.values() if isinstance(held, dict)]
        self.body(statements, names, room)
        names.values = kept
        self.restore(before)
        for held, content in tables:
            held.clear()
            held.update(content)

    def lists(self) -> dict[int, list[Any]]:
        return {key: list(held) for key, (held, _) in self.starts.lists.items()}

    def restore(self, before: Mapping[int, list[Any]]) -> None:
        for key, content in before.items():
            self.starts.lists[key][0][:] = content


def chosen(test: ast.expr, names: Names) -> bool:
    """Whether a condition hangs on what whoever starts the program says: an option, a variable, a name of vLLM's."""
    for node in ast.walk(test):
        name = dotted(node) if isinstance(node, ast.Attribute | ast.Name) else ""
        first = name.partition(".")[0]
        if name and (_CHOSEN.search(name) or isinstance(names.get(first), Parser)):
            return True
    return False
