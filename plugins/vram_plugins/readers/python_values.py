"""What Python expressions are worth, by the syntax tree: constants and what is made of them. Nothing is imported or run.

A value that nothing in the file tells is a `Missing`, with the name under which it would come.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, NamedTuple

_MAX_DEPTH = 60
_LONGEST = 1 << 15
_MOST_ITEMS = 2000


#: vLLM's enumerations as its JSON has them (`config/compilation.py`, 0.33.0 and, of levels, 0.10.0)
_ENUMS: dict[str, dict[str, str | int]] = {
    "CUDAGraphMode": {n: n for n in ("NONE", "PIECEWISE", "FULL", "FULL_DECODE_ONLY", "FULL_AND_PIECEWISE")},
    "CompilationMode": {"NONE": 0, "STOCK_TORCH_COMPILE": 1, "DYNAMO_TRACE_ONCE": 2, "VLLM_COMPILE": 3},
    "CompilationLevel": {"NO_COMPILATION": 0, "DYNAMO_AS_IS": 1, "DYNAMO_ONCE": 2, "PIECEWISE": 3},
}


class Missing(NamedTuple):
    """A value from elsewhere; written into text, it looks like an unset variable."""

    name: str

    def __str__(self) -> str:
        return f"${{{self.name[:60]}}}"


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


def dotted(node: ast.expr) -> str:
    """`a.b.c` as text; "" for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or len(names) > 20:
        return ""
    return ".".join([node.id, *reversed(names)])


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
        case ast.NamedExpr():
            return value_of(node.value, names, inner)
    return Missing("…")


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
    return "".join(pieces)[:_LONGEST]


def text_of(value: Any) -> str:
    """A value as `str()` writes it; what is not computed as an unset variable."""
    if isinstance(value, str | int | float | bool | Missing) or value is None:
        return str(value)
    return str(Missing("…"))


def _listed(node: ast.List | ast.Tuple | ast.Set, names: Names, depth: int) -> Any:
    found = Listed()
    found.line = node.lineno
    for item in node.elts[:_MOST_ITEMS]:
        if isinstance(item, ast.Starred):
            inner = value_of(item.value, names, depth)
            found += inner if isinstance(inner, list) else [inner]
        else:
            found.append(value_of(item, names, depth))
    return found


def _dict(node: ast.Dict, names: Names, depth: int) -> Any:
    found: dict[str, Any] = {}
    for key, item in zip(node.keys[:_MOST_ITEMS], node.values, strict=False):
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
        return Missing("…")
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


def added(left: Any, right: Any) -> Any:
    """`left + right` of texts, numbers and lists."""
    if isinstance(left, list) and isinstance(right, list):
        found = Listed([*left, *right][:_MOST_ITEMS])
        found.line = getattr(left, "line", 0)
        return found
    if isinstance(left, list):
        return added(left, Listed([right]))
    if isinstance(left, str) or isinstance(right, str):
        return (text_of(left) + text_of(right))[:_LONGEST]
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
    for argument in node.args[:_MOST_ITEMS]:
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


def computed(call: Called, names: Names, line: int) -> Any:  # noqa: PLR0912 - a case for each function
    """The result of a call that needs no running, or the call itself."""
    last = call.name.rsplit(".", 1)[-1]
    first = call.values[0] if call.values else None
    match last:
        case "str" if len(call.values) == 1 and not isinstance(first, list | dict | Called):
            return text_of(first)
        case "int" | "float" if len(call.values) == 1 and call.name == last:
            return _number(first, last)
        case "max" | "min" if call.name == last and (numbers := _numbers(call.values)):
            return max(numbers) if last == "max" else min(numbers)
        case "bool" if call.name == "bool":
            return first if isinstance(first, Missing | Called) else bool(first)
        case "list" | "tuple" if call.name == last and isinstance(first, list):
            return Listed(first)
        case "dict" if call.name == "dict" and not call.values:
            return dict(call.named)
        case "get" if call.name.endswith("environ.get") and isinstance(first, str):
            return _environment(first, call, names)
        case "getenv" if isinstance(first, str):
            return _environment(first, call, names)
        case "get" if isinstance(call.of, dict) and isinstance(first, str):
            return call.of.get(first, call.values[1] if len(call.values) > 1 else None)
        case "join" if isinstance(call.of, str) and isinstance(first, list):
            return written(call.of.join(text_of(item) for item in first), first)
        case "join" if call.name == "shlex.join" and isinstance(first, list):
            import shlex

            return written(shlex.join(text_of(item) for item in first), first)
        case "split" if isinstance(call.of, str) and not call.values:
            return _from(call.of.split(), line)
        case "split" if call.name == "shlex.split" and isinstance(first, str):
            return _from(_split(first), line)
        case "format" if isinstance(call.of, str):
            return _formatted(call)
        case "strip" | "lower" | "upper" | "rstrip" | "lstrip" if isinstance(call.of, str) and not call.values:
            return getattr(call.of, last)()
        case "dumps" if call.name == "json.dumps":
            return _dumped(first)
        case "copy" if isinstance(call.of, list | dict) and not call.values:
            return Listed(call.of) if isinstance(call.of, list) else dict(call.of)
        case "ArgumentParser" | "FlexibleArgumentParser":
            return Parser()
        case "parse_args" if isinstance(call.of, Parser):
            return call.of
        case "parse_known_args" if isinstance(call.of, Parser):
            return Listed([call.of, Listed()])
        case "add_argument_group" | "add_mutually_exclusive_group" if isinstance(call.of, Parser):
            return call.of
        case "add_cli_args" if isinstance(first, Parser):
            first.engine = True
            return first
        case "vars" if call.name == last and isinstance(first, Parser | dict):
            return dict(first.defaults) if isinstance(first, Parser) else first
        case "__dict__" | "asdict" if isinstance(first, dict):
            return first
        case "pop" if isinstance(call.of, dict) and isinstance(first, str):
            return call.of.get(first, call.values[1] if len(call.values) > 1 else Missing(first))
        case "snapshot_download":  # the folder of a model of the Hub
            return call.named.get("repo_id", first) if "local_dir" not in call.named else call
    held = names.get(f"{call.name}()")
    if not isinstance(held, Missing):  # what a function of the file returns
        return copied(held)
    return call


def copied(held: Any) -> Any:
    """A value of its own: what is done to it changes no other."""
    if isinstance(held, Listed):
        found = Listed(held)
        found.line = held.line
        return found
    return dict(held) if isinstance(held, dict) else held


def written(text: str, words: list[Any]) -> Written:
    """A text made of words."""
    found = Written(text[:_LONGEST])
    found.line = getattr(words, "line", 0)
    return found


def _from(words: list[str], line: int) -> Listed:
    found = Listed(words)
    found.line = line
    return found


def _split(text: str) -> list[str]:
    import shlex

    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _numbers(values: tuple[Any, ...]) -> list[int | float]:
    """The numbers that `max` compares; none where one of them is not known."""
    items = values[0] if len(values) == 1 and isinstance(values[0], list) else list(values)
    return items if all(isinstance(item, int | float) for item in items) else []


def _number(value: Any, kind: str) -> Any:
    if isinstance(value, str | int | float) and len(str(value)) < 40:
        try:
            return int(value) if kind == "int" else float(value)
        except (ValueError, OverflowError):
            return Missing("…")
    return value if isinstance(value, Missing) else Missing("…")


def _environment(name: str, call: Called, names: Names) -> Any:
    held = names.get(f"os.environ[{name}]")
    if not isinstance(held, Missing):
        return held
    default = call.values[1] if len(call.values) > 1 else call.named.get("default")
    return Missing(name) if default is None else default


def _formatted(call: Called) -> Any:
    if "{" not in str(call.of) or len(str(call.of)) > _LONGEST:
        return call.of
    try:
        return str(call.of).format(
            *[text_of(v) for v in call.values], **{k: text_of(v) for k, v in call.named.items() if k != "**"}
        )[:_LONGEST]
    except (ValueError, KeyError, IndexError, AttributeError, TypeError, MemoryError, OverflowError):
        return Missing("…")


def _dumped(value: Any) -> Any:
    plain = plain_json(value)
    if isinstance(plain, Missing):
        return plain
    import json

    return json.dumps(plain)


def plain_json(value: Any, depth: int = 0) -> Any:
    """A value as JSON has it; Missing where a part of it is."""
    if isinstance(value, Missing) and (named := _ENUMS.get(value.name.rsplit(".", 1)[0].rsplit(".", 1)[-1])):
        return named.get(value.name.rsplit(".", 1)[-1], value)
    if isinstance(value, Called) and not value.values and value.name.rsplit(".", 1)[-1].endswith("Config"):
        value = value.named  # a configuration of vLLM's, which its flag takes as JSON
    if depth > 12 or isinstance(value, Missing | Called | Parser):
        return value if isinstance(value, Missing) else Missing("…")
    if isinstance(value, list):
        items = [plain_json(item, depth + 1) for item in value]
        return next((item for item in items if isinstance(item, Missing)), items)
    if isinstance(value, Mapping):
        found = {key: plain_json(item, depth + 1) for key, item in value.items()}
        return next((item for item in found.values() if isinstance(item, Missing)), found)
    return value
