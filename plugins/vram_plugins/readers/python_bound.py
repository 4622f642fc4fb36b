"""What Python's functions are called with and give back: known after a walk, for the next one over the same module."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from vram_plugins.readers.python_engine import Room
from vram_plugins.readers.python_held import Called, Missing, Names, Parser, dotted, same
from vram_plugins.readers.python_values import arguments_of, value_of

Function = ast.FunctionDef | ast.AsyncFunctionDef
PLACE = "its place"  # no name of a parameter
_MAX_BINDINGS = 8
#: what people call the result of a parser where they hand it on
_PARSED = ("args", "opt", "opts", "cli_args", "config_args")


class Functions:
    """The functions of a module by name, with what calls give them; `known` is what an earlier walk has learned."""

    def __init__(self, known: Functions | None = None) -> None:
        self.by_name: dict[str, Function | None] = {}
        self.given: dict[str, list[dict[str, Any]]] = {}
        self.returned: dict[str, Any] = {}
        self._known = ({}, {}) if known is None else (known.given, known.returned)

    @property
    def results(self) -> Mapping[str, Any]:
        """What functions are known to return."""
        return self._known[1]

    def learned(self) -> bool:
        """Whether a walk has seen arguments or results of functions that it did not know."""
        return (repr(self.given), repr(self.returned)) != (repr(self._known[0]), repr(self._known[1]))

    def of(self, tree: ast.Module) -> None:
        """Take a module's functions."""
        self.by_name = _functions(tree)

    def key(self, node: Function) -> str:
        """The name under which a function is called; "" where that may be another."""
        return next((name for name, one in self.by_name.items() if one is node), "")

    def sets(self, name: str) -> Sequence[dict[str, Any]]:
        """The sets of arguments that a function is known to be called with; an empty one where it is not."""
        return self._known[0].get(name, ())[:_MAX_BINDINGS] or [{}]

    def gives(self, name: str, results: Sequence[Any]) -> None:
        """Keep the one thing that a function returns."""
        if name and len(results) == 1 and not isinstance(results[0], Missing | Called):
            before = self.returned.get(name, results[0])
            self.returned[name] = results[0] if same(before, results[0]) else Missing(name)

    def bind(self, name: str, values: Sequence[Any], named: dict[str, Any], room: Room) -> None:
        """Keep what a call gives to a function of the file; also the machine on which that then runs."""
        node = self.by_name.get(name.removeprefix("self."))
        if node is None:
            return
        parameters = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
        if parameters[:1] in (["self"], ["cls"]):
            parameters = parameters[1:]
        taken = {*parameters, *(a.arg for a in node.args.kwonlyargs)}
        given = dict(zip(parameters, values, strict=False)) | {k: v for k, v in named.items() if k in taken}
        if node.args.kwarg is not None:
            given[node.args.kwarg.arg] = {k: v for k, v in named.items() if k not in taken}
        if room.gpu is not None:
            given[PLACE] = room
        kept = self.given.setdefault(name.removeprefix("self."), [])
        if len(kept) < _MAX_BINDINGS and all(repr(one) != repr(given) for one in kept):
            kept.append(given)


def parameters(node: Function, names: Names, parsers: Mapping[str, Parser]) -> Names:
    """A function's names as it begins."""
    inner = Names(names)
    arguments = [*node.args.posonlyargs, *node.args.args]
    for argument in [*arguments, *node.args.kwonlyargs]:
        if argument.arg != "self":
            inner.values[argument.arg] = Missing(argument.arg)
    for argument, default in zip(reversed(arguments), reversed(node.args.defaults), strict=False):
        inner.values[argument.arg] = value_of(default, names)
    for argument, given in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if given is not None:
            inner.values[argument.arg] = value_of(given, names)
    inner.values |= {name: held for name, held in options(node, names).items() if name in inner.values}
    several = {id(parser): parser for parser in parsers.values()}
    for name in _PARSED if len(several) == 1 else ():
        if isinstance(inner.values.get(name), Missing):
            inner.values[name] = next(iter(several.values()))
    for extra in (node.args.vararg, node.args.kwarg):
        if extra is not None:
            inner.values[extra.arg] = Missing(extra.arg)
    return inner


def options(node: Function, names: Names) -> dict[str, Any]:
    """What Click's decorators give a function where its command line says nothing (`click.option`, click's documentation)."""
    found: dict[str, Any] = {}
    for decorator in node.decorator_list:
        name = dotted(decorator.func) if isinstance(decorator, ast.Call) else ""
        if not isinstance(decorator, ast.Call) or name.rsplit(".", 1)[-1] not in {"option", "argument"}:
            continue
        call = arguments_of(decorator, names)
        spelt = [one for one in call.values if isinstance(one, str)]
        plain = next((one for one in spelt if not one.startswith("-")), None)
        long = next((one for one in spelt if one.startswith("--")), spelt[0] if spelt else "")
        attribute = plain or long.split("/")[0].lstrip("-").replace("-", "_").lower()
        off = False if call.named.get("is_flag") is True else Missing(attribute)
        found[attribute] = call.named.get("default", off)
    return found


def _functions(tree: ast.Module) -> dict[str, Function | None]:
    """The functions of a file by name, `__init__` by its class's; none where two have one name."""
    found: dict[str, Function | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            inits = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
            found |= {node.name: inits[0]} if inits else {}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__"):
            found[node.name] = None if node.name in found else node
    return found
