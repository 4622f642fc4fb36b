"""What Python expressions are worth, by the syntax tree: constants and what is made of them. Nothing is imported or run.

A value that nothing in the file tells is a `Missing`, with the name under which it would come.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from vram_plugins.readers.python_functions import computed
from vram_plugins.readers.python_held import (
    LONGEST,
    MOST_ITEMS,
    MOST_ROUNDS,
    Called,
    Listed,
    Missing,
    Names,
    Parser,
    dotted,
    items_of,
    text_of,
)

_MAX_DEPTH = 60


def value_of(node: ast.expr | None, names: Names, depth: int = 0) -> Any:  # noqa: PLR0912 - a case for each expression
    """An expression's value: text, numbers, truth, None, lists, dicts, a Called, or Missing."""
    if node is None or depth > _MAX_DEPTH:
        return Missing("…")
    inner = depth + 1
    match node:
        case ast.Constant():
            return node.value if isinstance(node.value, str | int | float | bool | None) else Missing("…")
        case ast.Name():
            return names.get(node.id)
        case ast.Attribute():
            return _attribute(node, names, inner)
        case ast.JoinedStr():
            return _joined(node, names, inner)
        case ast.List() | ast.Tuple() | ast.Set():
            return _listed(node, names, inner)
        case ast.Dict():
            return _dict(node, names, inner)
        case ast.BinOp():
            return _operation(node, names, inner)
        case ast.UnaryOp():
            held = value_of(node.operand, names, inner)
            if isinstance(node.op, ast.Not):
                return Missing("…") if isinstance(held, Missing) else not held
            return -held if isinstance(node.op, ast.USub) and isinstance(held, int | float) else Missing("…")
        case ast.BoolOp():
            return _either(node, names, inner)
        case ast.IfExp():
            test = value_of(node.test, names, inner)
            if isinstance(test, Missing | Called):
                first, other = value_of(node.body, names, inner), value_of(node.orelse, names, inner)
                return first if type(first) is type(other) and first == other else Missing("…")
            return value_of(node.body if test else node.orelse, names, inner)
        case ast.Compare():
            return _compared(node, names, inner)
        case ast.Subscript():
            return _element(node, names, inner)
        case ast.Call():
            return _called(node, names, inner)
        case ast.ListComp() | ast.GeneratorExp() | ast.SetComp():
            return _comprehended(node, names, inner)
        case ast.NamedExpr():
            return value_of(node.value, names, inner)
    return Missing("…")


def _comprehended(node: ast.ListComp | ast.GeneratorExp | ast.SetComp, names: Names, depth: int) -> Any:
    """A comprehension over one list that is known, whose conditions are."""
    found = Listed()
    found.line = node.lineno
    generator = node.generators[0]
    over = items_of(value_of(generator.iter, names, depth))
    if over is None or len(node.generators) > 1 or len(over) > MOST_ROUNDS:
        return Missing("…")
    for item in over:
        inner = Names(names)
        unpack(generator.target, item, inner)
        tests = [value_of(test, inner, depth) for test in generator.ifs]
        if any(isinstance(test, Missing | Called) for test in tests):
            return Missing("…")
        if all(tests):
            found.append(value_of(node.elt, inner, depth))
    return found


def unpack(target: ast.expr, held: Any, names: Names) -> None:
    """Give a loop's names their values."""
    if isinstance(target, ast.Name):
        names.values[target.id] = held
    elif isinstance(target, ast.Tuple | ast.List):
        whole = isinstance(held, list) and len(held) == len(target.elts)
        for index, one in enumerate(target.elts):
            unpack(one, held[index] if whole else Missing(dotted(one) or "…"), names)


def _attribute(node: ast.Attribute, names: Names, depth: int) -> Any:
    name = dotted(node)
    held = names.get(name) if name else Missing("…")
    if not isinstance(held, Missing):
        return held
    base = value_of(node.value, names, depth)
    if isinstance(base, Parser):
        return base.defaults.get(node.attr, Missing(node.attr))
    if isinstance(base, dict) and node.attr in base:
        return base[node.attr]
    if isinstance(base, Called) and isinstance(fields := names.get(f"class {base.name}"), dict):
        return _field(base, fields, node.attr)
    return Missing(name or node.attr)


def _field(made: Called, fields: dict[str, Any], name: str) -> Any:
    """An attribute of what a class of the file makes: the argument of its name or place, or the class's default."""
    if name in made.named:
        return made.named[name]
    if "**" in made.named or name not in fields:
        return Missing(name)
    place = list(fields).index(name)
    return made.values[place] if place < len(made.values) else fields[name]


def _joined(node: ast.JoinedStr, names: Names, depth: int) -> Any:
    pieces = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            held = value_of(part.value, names, depth)
            pieces.append(text_of(held) if part.format_spec is None else str(Missing("…")))
        else:
            pieces.append(str(value_of(part, names, depth)))
    return "".join(pieces)[:LONGEST]


def _listed(node: ast.List | ast.Tuple | ast.Set, names: Names, depth: int) -> Any:
    found = Listed()
    found.line = node.lineno
    for item in node.elts[:MOST_ITEMS]:
        if isinstance(item, ast.Starred):
            inner = value_of(item.value, names, depth)
            found += inner if isinstance(inner, list) else [inner]
        else:
            found.append(value_of(item, names, depth))
    return found


def _dict(node: ast.Dict, names: Names, depth: int) -> Any:
    found: dict[str, Any] = {}
    for key, item in zip(node.keys[:MOST_ITEMS], node.values, strict=False):
        held = value_of(item, names, depth)
        if key is None:
            found |= held if isinstance(held, dict) else {"**": held}
            continue
        name = value_of(key, names, depth)
        found[str(name) if isinstance(name, str | int) else "**"] = (
            held if isinstance(name, str | int) else Missing("…")
        )
    return found


def _operation(node: ast.BinOp, names: Names, depth: int) -> Any:
    left, right = value_of(node.left, names, depth), value_of(node.right, names, depth)
    if isinstance(node.op, ast.Add):
        return added(left, right)
    if isinstance(node.op, ast.Mod) and isinstance(left, str):
        return _written(left, right)
    if isinstance(node.op, ast.Div) and isinstance(left, str) and isinstance(right, str):
        return f"{left.rstrip('/')}/{right}"[:LONGEST]  # of paths
    if not isinstance(left, int | float) or not isinstance(right, int | float) or max(abs(left), abs(right)) > 1 << 48:
        return Missing("…")
    try:
        match node.op:
            case ast.Sub():
                return left - right
            case ast.Mult():
                return left * right
            case ast.Div():
                return left / right
            case ast.FloorDiv():
                return left // right
            case ast.Mod():
                return left % right
            case ast.Pow() if 0 <= right < 64 and abs(left) <= 1024:
                return left**right
            case ast.LShift() if isinstance(left, int) and isinstance(right, int) and 0 <= right < 48:
                return left << right
    except ArithmeticError:
        pass
    return Missing("…")


def _written(text: str, held: Any) -> Any:
    """`text % held`, where that takes no great width."""
    values = held if isinstance(held, list) else [held]
    if len(text) > LONGEST or re.search(r"%[^a-zA-Z%]*(?:\d{3}|\*)", text):
        return Missing("…")
    try:
        return text % tuple(one if isinstance(one, str | int | float) else text_of(one) for one in values)
    except (TypeError, ValueError, OverflowError):
        return Missing("…")


def added(left: Any, right: Any) -> Any:
    """`left + right` of texts, numbers and lists."""
    if isinstance(left, list) and isinstance(right, list):
        found = Listed([*left, *right][:MOST_ITEMS])
        found.line = getattr(left, "line", 0)
        return found
    if isinstance(left, list):
        return added(left, Listed([right]))
    if isinstance(left, str) or isinstance(right, str):
        return (text_of(left) + text_of(right))[:LONGEST]
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left + right
    return Missing("…")


def _either(node: ast.BoolOp, names: Names, depth: int) -> Any:
    held: Any = Missing("…")
    for one in node.values:
        held = value_of(one, names, depth)
        if isinstance(held, Missing) and isinstance(node.op, ast.Or) and _outer(one):
            continue  # an environment variable that is not set
        if isinstance(held, Missing | Called) or bool(held) == isinstance(node.op, ast.Or):
            return held
    return held


def _outer(node: ast.expr) -> bool:
    """Whether an expression is an environment variable's value."""
    return isinstance(node, ast.Call) and dotted(node.func).endswith(("environ.get", "getenv"))


def _compared(node: ast.Compare, names: Names, depth: int) -> Any:
    left, right = value_of(node.left, names, depth), value_of(node.comparators[0], names, depth)
    if len(node.ops) != 1 or isinstance(left, Missing | Called) or isinstance(right, Missing | Called):
        return Missing("…")
    try:
        match node.ops[0]:
            case ast.Eq():
                return left == right
            case ast.NotEq():
                return left != right
            case ast.Is():
                return left is right
            case ast.IsNot():
                return left is not right
            case ast.Gt():
                return left > right
            case ast.GtE():
                return left >= right
            case ast.Lt():
                return left < right
            case ast.LtE():
                return left <= right
            case ast.In():
                return left in right
            case ast.NotIn():
                return left not in right
    except TypeError:
        pass
    return Missing("…")


def _element(node: ast.Subscript, names: Names, depth: int) -> Any:
    base, key = value_of(node.value, names, depth), value_of(node.slice, names, depth)
    if dotted(node.value).endswith("environ") and isinstance(key, str):
        held = names.get(f"os.environ[{key}]")
        return Missing(key) if isinstance(held, Missing) else held
    if isinstance(base, dict):
        return base.get(str(key), Missing(text_of(key)))
    if isinstance(base, list) and isinstance(key, int) and -len(base) <= key < len(base):
        return base[key]
    return Missing(dotted(node.value) or "…")


def arguments_of(node: ast.Call, names: Names) -> Called:
    """A call as it stands, whatever its result."""
    return Called(dotted(node.func), tuple(_positional(node, names, 0)), _named(node, names, 0))


def _called(node: ast.Call, names: Names, depth: int) -> Any:
    name = dotted(node.func)
    of = value_of(node.func.value, names, depth) if isinstance(node.func, ast.Attribute) else None
    values = tuple(_positional(node, names, depth))
    named = _named(node, names, depth)
    call = Called(name or (node.func.attr if isinstance(node.func, ast.Attribute) else "…"), values, named, of)
    return computed(call, names, node.lineno)


def _positional(node: ast.Call, names: Names, depth: int) -> list[Any]:
    found = []
    for argument in node.args[:MOST_ITEMS]:
        if isinstance(argument, ast.Starred):
            inner = value_of(argument.value, names, depth)
            found += inner if isinstance(inner, list) else [inner]
        else:
            found.append(value_of(argument, names, depth))
    return found


def _named(node: ast.Call, names: Names, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for keyword in node.keywords:
        held = value_of(keyword.value, names, depth)
        if keyword.arg is not None:
            found[keyword.arg] = held
        elif isinstance(held, dict):
            found |= held
        else:
            found["**"] = held
    return found
