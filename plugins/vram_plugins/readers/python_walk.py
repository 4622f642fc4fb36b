"""A Python module's statements in their order, functions where they are written, by the syntax tree alone."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from vram.models.deployment_reader import DeploymentText
from vram.models.record import evolve
from vram_plugins.readers.python_assigned import Assigning, deletion, fields_of
from vram_plugins.readers.python_bound import PLACE, Function, Functions, parameters
from vram_plugins.readers.python_branches import Branching
from vram_plugins.readers.python_calls import Calling, Imports
from vram_plugins.readers.python_engine import Room
from vram_plugins.readers.python_held import (
    Called,
    Listed,
    Missing,
    Names,
    Parser,
    copied,
    dotted,
)
from vram_plugins.readers.python_modal import decorated
from vram_plugins.readers.python_started import Starts
from vram_plugins.readers.python_values import value_of

_MAX_NODES = 200_000


class Walk(Branching):
    """One walk over a module; `known` are the functions of an earlier one."""

    def __init__(
        self,
        text: DeploymentText,
        kind: str,
        version: str | None,
        *,
        newest: bool = False,
        known: Functions | None = None,
    ) -> None:
        self.text = text
        self.kind = kind
        self.version = version
        self.newest = newest
        self.starts = Starts(text)
        self.functions = Functions(known)
        self.imports = Imports()
        self.assigning = Assigning(self.starts)
        self.calling = Calling(text, self.imports, self.functions, self.starts)
        self.later: list[tuple[Function, Names, Room]] = []
        self.left = _MAX_NODES

    def again(self) -> Walk:
        """A walk that knows what this one has learned."""
        return Walk(self.text, self.kind, self.version, newest=self.newest, known=self.functions)

    def module(self, tree: ast.Module) -> None:
        """Statements first, functions then: when they run, the module's names are all there."""
        names = Names()
        room = Room(kind=self.kind or "python", version=self.version, newest=self.newest)
        self.functions.of(tree)
        for name, held in self.functions.results.items():
            names.values |= {f"{name}()": held, f"self.{name}()": held}
        for statement in tree.body:
            if isinstance(statement, ast.Assign):
                for target in statement.targets:
                    if isinstance(target, ast.Name):
                        names.values[target.id] = value_of(statement.value, names)
        for statement in tree.body:
            if isinstance(statement, ast.FunctionDef) and "ArgumentParser" in ast.dump(statement):
                self.options_of(statement, names)
        self.body(tree.body, names, room)
        while self.later:
            self.function(*self.later.pop(0))
        self.starts.rest()

    def options_of(self, node: ast.FunctionDef, names: Names) -> None:
        """The parser that a function makes, for what it returns is taken apart elsewhere."""
        inner = Walk(self.text, self.kind, None)
        scope = Names(names)
        inner.body(node.body, scope, Room())
        found = [held for held in scope.values.values() if isinstance(held, Parser)]
        if len({id(held) for held in found}) == 1:
            self.assigning.parsers[node.name] = found[0]

    def body(self, statements: Sequence[ast.stmt], names: Names, room: Room) -> None:
        for statement in statements:
            self.left -= 1
            if self.left < 0:
                return
            self.statement(statement, names, room)

    def statement(self, node: ast.stmt, names: Names, room: Room) -> None:  # noqa: PLR0912 - a case for each statement
        match node:
            case ast.Import() | ast.ImportFrom():
                self.imports.take(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.later.append((node, names, room))
            case ast.ClassDef():
                inner = Names(names)
                self.imports.subclass(node)
                names.values.setdefault(node.name, node.name)  # given to vLLM, a class is its name
                self.body(node.body, inner, self.inside(node, names, room))
                fields_of(node, inner, names)
            case ast.Assign():
                self.assignment(node, names, room)
            case ast.AnnAssign() if node.value is not None:
                self.calls(node.value, names, room)
                self.assigning.assign(node.target, value_of(node.value, names), names, room)
            case ast.Delete():
                deletion(node, names)
            case ast.AugAssign():
                self.calls(node.value, names, room)
                self.assigning.extend(node, names)
            case ast.If():
                self.branches(node, names, room)
            case ast.For() | ast.AsyncFor():
                self.loop(node, names, room)
            case ast.While():
                self.calls(node.test, names, room)
                self.body(node.body, names, room)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    self.calls(item.context_expr, names, room)
                self.body(node.body, names, room)
            case ast.Match():
                self.calls(node.subject, names, room)
                for case in node.cases:
                    self.body(case.body, names, room)
            case ast.Try() | ast.TryStar():
                for part in (node.body, *[handler.body for handler in node.handlers], node.orelse, node.finalbody):
                    self.body(part, names, room)
            case ast.Expr():
                self.assigning.mutation(node.value, names)
                self.calls(node.value, names, room)
            case ast.Return() if node.value is not None:
                self.calls(node.value, names, room)
                self.result(value_of(node.value, names), names, room)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.calls(child, names, room)

    def function(self, node: Function, names: Names, room: Room) -> None:
        """A function's body, once for each set of arguments that the file gives it; at its defaults where it gives none."""
        name = self.functions.key(node)
        for given in self.functions.sets(name):
            self.left -= 1
            inner = parameters(node, names, self.assigning.parsers)
            place = given.get(PLACE)
            around = evolve(place, name=room.name) if place is not None and room.gpu is None else room
            for key, held in given.items():
                told = not isinstance(held, Missing | Called)
                if told or not isinstance(inner.values.get(key), Parser):
                    inner.values[key] = copied(held)
            inner.values["return"] = Listed()
            self.body(node.body, inner, self.inside(node, names, around))
            self.functions.gives(name, inner.values["return"])

    def assignment(self, node: ast.Assign, names: Names, room: Room) -> None:
        self.calls(node.value, names, room)
        held = value_of(node.value, names)
        if isinstance(node.value, ast.Call) and dotted(node.value.func).endswith(".pop"):
            self.assigning.mutation(node.value, names)
        for target in node.targets:
            self.assigning.assign(target, held, names, room)

    def result(self, held: Any, names: Names, room: Room) -> None:
        """What a function returns, kept for those that call it."""
        self.starts.register(held, room)
        results = names.values.get("return")
        if isinstance(results, list) and len(results) < 4 and all(one != held for one in results):
            results.append(held)

    def calls(self, node: ast.expr, names: Names, room: Room) -> None:
        """The calls in an expression that make an engine or start a command."""
        for child in ast.walk(node):
            self.left -= 1
            if self.left < 0:
                return
            if isinstance(child, ast.Call):
                self.calling.call(child, names, room)

    def inside(self, node: Function | ast.ClassDef, names: Names, room: Room) -> Room:
        """The room inside a function or class."""
        modal = any(one.split(".")[0] == "modal" for one in self.imports.names.values())
        return decorated(node, names, room, modal=(self.kind or "modal") if modal else None)
