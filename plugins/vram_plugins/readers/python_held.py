"""What a name in Python may hold, as far as a file tells: texts, numbers, lists, calls that are not made, parsers, and nothing."""

from __future__ import annotations

import ast
from typing import Any, NamedTuple

LONGEST = 1 << 15


MOST_ITEMS = 2000
_NO_MARKS = str.maketrans("", "", "${}")  # of a value that was to be looked up by another


MOST_ROUNDS = 64  # of a loop over known values


class Missing(NamedTuple):
    """A value from elsewhere; written into text, it looks like an unset variable."""

    name: str

    def __str__(self) -> str:
        return f"${{{self.name.translate(_NO_MARKS)[:60]}}}"


class Listed(list[Any]):
    """A list, with the line where it is written; one list under two names stays one."""

    line = 0


class Written(str):
    """Text that is made of a list, with the line where that is written."""

    __slots__ = ("line",)
    line: int


class Called(NamedTuple):
    """A call whose result is not computed: its name, its values, and what it was a method of."""

    name: str
    values: tuple[Any, ...]
    named: dict[str, Any]
    of: Any = None


class Parser:
    """An `ArgumentParser`: the defaults of its arguments, by the names of their attributes."""

    def __init__(self) -> None:
        self.defaults: dict[str, Any] = {}
        self.engine = False  # whether vLLM's own arguments are among them, each at its default
        self.words: list[Any] | None = None  # the words that it has parsed, where a program gives them itself

    def parsing(self, words: Any) -> Parser:
        """What it makes of words of a program's own; itself where those are the command line's."""
        if not isinstance(words, list):
            return self
        found = Parser()
        found.defaults, found.engine, found.words = dict(self.defaults), self.engine, list(words)
        return found

    def add(self, call: Called) -> None:
        """One `add_argument`."""
        flags = [v for v in call.values if isinstance(v, str)]
        name = next((f for f in flags if f.startswith("--")), flags[0] if flags else "")
        attribute = call.named.get("dest") or name.lstrip("-").replace("-", "_")
        action = call.named.get("action")
        default = call.named.get("default", Missing(name) if action is None else action == "store_false")
        if isinstance(attribute, str):
            self.defaults[attribute] = default


class Names:
    """Names in a scope, over those around it."""

    def __init__(self, parent: Names | None = None) -> None:
        self.values: dict[str, Any] = {}
        self.parent = parent

    def get(self, name: str) -> Any:
        """A name's value, Missing where there is none."""
        scope: Names | None = self
        while scope is not None:
            if name in scope.values:
                return scope.values[name]
            scope = scope.parent
        return Missing(name)

    def under(self, name: str) -> dict[str, Any]:
        """What has been assigned to the attributes of a name."""
        found: dict[str, Any] = {} if self.parent is None else self.parent.under(name)
        held = {key.removeprefix(name + "."): one for key, one in self.values.items() if key.startswith(name + ".")}
        return found | held if name else {}


def dotted(node: ast.expr) -> str:
    """`a.b.c` as text; "" for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or len(names) > 20:
        return ""
    return ".".join([node.id, *reversed(names)])


def items_of(held: Any) -> list[Any] | None:
    """What a loop over a value meets; None where that is not known."""
    if isinstance(held, dict):
        return None if "**" in held else list(held)
    return held if isinstance(held, list) else None


def text_of(value: Any) -> str:
    """A value as `str()` writes it; what is not computed as an unset variable."""
    if isinstance(value, str | int | float | bool | Missing) or value is None:
        return str(value)
    return str(Missing("…"))


def copied(held: Any) -> Any:
    """A value of its own: what is done to it changes no other."""
    if isinstance(held, Listed):
        found = Listed(held)
        found.line = held.line
        return found
    return dict(held) if isinstance(held, dict) else held


def same(left: Any, right: Any) -> bool:
    """Whether two values are one, of one kind (1 is not True)."""
    return type(left) is type(right) and bool(left == right)
