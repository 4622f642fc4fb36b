"""What Python's statements do to names: assignment, `+=`, `del`, and the methods that change a list, a dict or a parser."""

from __future__ import annotations

import ast
from typing import Any

from vram_plugins.readers.python_engine import Room
from vram_plugins.readers.python_held import Called, Listed, Missing, Names, Parser, dotted, text_of
from vram_plugins.readers.python_started import Starts
from vram_plugins.readers.python_values import added, value_of

_MAX_ITEMS = 2000


class Assigning:
    """Names as statements leave them; `parsers` are the argument parsers met, commands go to `starts`."""

    def __init__(self, starts: Starts) -> None:
        self.parsers: dict[str, Parser] = {}
        self._starts = starts

    def assign(self, target: ast.expr, held: Any, names: Names, room: Room) -> None:
        if isinstance(target, ast.Tuple | ast.List):
            whole = isinstance(held, list) and len(held) == len(target.elts)
            for index, one in enumerate(target.elts):
                self.assign(one, held[index] if whole else Missing(dotted(one) or "…"), names, room)
            return
        if isinstance(target, ast.Subscript):
            key = value_of(target.slice, names)
            base = value_of(target.value, names)
            if dotted(target.value).endswith("environ") and isinstance(key, str):
                names.values[f"os.environ[{key}]"] = held
                room.environment[key] = text_of(held)
            elif isinstance(base, dict) and isinstance(key, str):
                base[key] = held
            return
        name = dotted(target)
        if isinstance(held, Called) and held.name in self.parsers:
            held = self.parsers[held.name]
        if isinstance(held, Parser):
            self.parsers.setdefault(name, held)
        if name:
            names.values[name] = held
            if name.startswith("self.") and names.parent is not None:
                names.parent.values[name] = held  # other methods see it
        self._starts.register(held, room)

    def extend(self, node: ast.AugAssign, names: Names) -> None:
        name = dotted(node.target)
        held, new = names.get(name) if name else Missing("…"), value_of(node.value, names)
        if isinstance(held, Listed) and isinstance(node.op, ast.Add):
            held += new if isinstance(new, list) else [new]
        elif name:
            names.values[name] = added(held, new) if isinstance(node.op, ast.Add) else Missing(name)

    def mutation(self, node: ast.expr, names: Names) -> None:
        """`list.append`, `list.extend`, `dict.update`, `parser.add_argument`."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return
        held = value_of(node.func.value, names)
        call = value_of(node, names)
        if node.func.attr == "pop" and isinstance(held, dict) and node.args:
            call = Called("pop", (value_of(node.args[0], names),), {})
        if not isinstance(call, Called):
            return
        if isinstance(held, Parser) and node.func.attr == "add_argument":
            held.add(call)
        elif isinstance(held, Parser) and node.func.attr == "set_defaults":
            held.defaults |= {key: value for key, value in call.named.items() if key != "**"}
        elif isinstance(held, list) and len(held) < _MAX_ITEMS:
            if node.func.attr == "append" and call.values:
                held.append(call.values[0])
            elif node.func.attr == "extend" and call.values:
                held += call.values[0] if isinstance(call.values[0], list) else [call.values[0]]
            elif node.func.attr == "insert" and len(call.values) == 2 and isinstance(call.values[0], int):
                held.insert(call.values[0], call.values[1])
        elif isinstance(held, dict) and node.func.attr == "pop" and call.values:
            held.pop(str(call.values[0]), None)
        elif isinstance(held, dict) and node.func.attr == "update":
            held |= call.values[0] if call.values and isinstance(call.values[0], dict) else {}
            held |= call.named
        elif dotted(node.func).endswith("environ.setdefault") and len(call.values) == 2:
            names.values[f"os.environ[{call.values[0]}]"] = call.values[1]


def deletion(node: ast.Delete, names: Names) -> None:
    for target in node.targets:
        base = value_of(target.value, names) if isinstance(target, ast.Subscript) else None
        if isinstance(target, ast.Subscript) and isinstance(base, dict):
            base.pop(text_of(value_of(target.slice, names)), None)


def fields_of(node: ast.ClassDef, inner: Names, names: Names) -> None:
    """Keep a class's attributes, which stand for those of what it makes where it has no `__init__` of its own."""
    fields: dict[str, Any] = {}
    for one in node.body:
        target: ast.expr | None = one.target if isinstance(one, ast.AnnAssign) else None
        if isinstance(one, ast.Assign) and len(one.targets) == 1:
            target = one.targets[0]
        if isinstance(target, ast.Name):
            held = inner.values.get(target.id, Missing(target.id))
            if isinstance(held, Called) and held.name.rsplit(".", 1)[-1] in {"field", "Field"}:
                first = held.values[0] if held.values else Missing(target.id)
                held = held.named.get("default", first)
            fields[target.id] = held
    for name, held in fields.items():
        inner.values.setdefault(f"self.{name}", held)
    names.values |= {f"{node.name}.{name}": held for name, held in fields.items() if not isinstance(held, Missing)}
    if not any(isinstance(one, ast.FunctionDef) and one.name == "__init__" for one in node.body):
        names.values[f"class {node.name}"] = fields
