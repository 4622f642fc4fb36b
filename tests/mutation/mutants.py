"""Single changes of a number, an operator, or of max and min in one source file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip
#: lines of the statement (of a compound one its head), empty outside functions, where import runs them
_Lines = range
#: (node, attribute that changes, which of several operators, lines)
_Place = tuple[ast.expr, str, int, _Lines]
_AT_IMPORT = range(0)


@dataclass(frozen=True)
class Mutant:
    """One change: the changed tree, where and what it is, and the lines that run with it (none at import)."""

    path: str
    line: int
    column: int
    what: str
    lines: _Lines
    tree: ast.Module

    @property
    def name(self) -> str:
        """What the results are kept by."""
        return f"{self.path}:{self.line}:{self.column}: {self.what}"


def mutants_of(path: str, source: str) -> Iterator[Mutant]:
    """Every single change. Numbers of decorators (how much a cache holds) and of annotations are left alone."""
    for index in range(len(list(_places(ast.parse(source), _AT_IMPORT, inside=False)))):
        tree = ast.parse(source)
        node, attribute, which, lines = list(_places(tree, _AT_IMPORT, inside=False))[index]
        before = ast.unparse(node)
        _change(node, attribute, which)
        yield Mutant(
            path=path,
            line=node.lineno,
            column=node.col_offset,
            what=f"{before[:70]} → {ast.unparse(node)[:70]}",
            lines=lines,
            tree=tree,
        )


def _places(node: ast.AST, lines: _Lines, *, inside: bool) -> Iterator[_Place]:
    """`lines` are those of the statement around the node; `inside` a function."""
    match node:
        case ast.FunctionDef(args=arguments, body=body):
            for default in (*arguments.defaults, *(d for d in arguments.kw_defaults if d is not None)):
                yield from _places(default, lines, inside=inside)
            for statement in body:
                yield from _places(statement, lines, inside=True)
            return
        case ast.ClassDef(body=body):
            for statement in body:
                yield from _places(statement, lines, inside=inside)
            return
        case ast.AnnAssign(value=value):
            if value is not None:
                yield from _places(value, _lines(node) if inside else lines, inside=inside)
            return
        case ast.expr():
            yield from _of(node, lines)
    for child in ast.iter_child_nodes(node):
        apart = inside and isinstance(node, ast.stmt | ast.match_case)
        yield from _places(child, _lines(_head(node, child)) if apart else lines, inside=inside)


def _head(node: ast.AST, child: ast.AST) -> ast.AST:
    """What runs together with an expression of a statement: all of a simple one, the expression of a compound one."""
    compound = ast.If | ast.For | ast.While | ast.With | ast.Try | ast.Match | ast.match_case
    return child if isinstance(node, compound) else node


def _lines(node: ast.AST) -> _Lines:
    if not isinstance(node, ast.expr | ast.stmt):
        return _AT_IMPORT
    return range(node.lineno, (node.end_lineno or node.lineno) + 1)


def _of(node: ast.expr, lines: _Lines) -> Iterator[_Place]:
    match node:
        case ast.Constant(value=bool()):
            return
        case ast.Constant(value=int() | float()):
            yield node, "value", 0, lines
        case ast.BinOp(op=op) if type(op) in _OPERATORS and not _of_text(node):
            yield node, "op", 0, lines
        case ast.BoolOp():
            yield node, "op", 0, lines
        case ast.Compare(ops=ops):
            for which, op in enumerate(ops):
                if type(op) in _OPERATORS:
                    yield node, "ops", which, lines
        case ast.Call(func=ast.Name(id="max" | "min")):
            yield node, "func", 0, lines


def _of_text(node: ast.BinOp) -> bool:
    """Whether texts are put together, as far as the node itself shows it."""
    return any(
        isinstance(side, ast.JoinedStr) or (isinstance(side, ast.Constant) and isinstance(side.value, str))
        for side in (node.left, node.right)
    )


def _change(node: ast.expr, attribute: str, which: int) -> None:
    match node, attribute:
        case ast.Constant(value=value), _:
            node.value = value + 1 if isinstance(value, int) else value * 1.5 + 0.1
        case ast.Compare(ops=ops), _:
            node.ops = [_OPERATORS[type(op)]() if i == which else op for i, op in enumerate(ops)]  # type: ignore[misc]
        case ast.Call(func=ast.Name(id=name) as function), _:
            function.id = "min" if name == "max" else "max"
        case ((ast.BinOp(op=op) | ast.BoolOp(op=op)), _):
            node.op = _OPERATORS[type(op)]()  # type: ignore[assignment]
