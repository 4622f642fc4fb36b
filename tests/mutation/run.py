"""Change the arithmetic one number or operator at a time and see whether a test notices: `python -m tests.mutation.run`.

Works on a copy of the sources in a temporary folder. Prints a score per module and every change that no test noticed.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
MODULES = (
    "weights", "budget", "activations", "graphs", "sampling", "moe_workspace", "nontorch", "lora",
    "kv_layers", "kv_specs", "kv_groups", "kv_members", "kv_packing", "kv_need", "kv_layout", "kv_plan", "kv_alignment", "kv_context",
)  # fmt: skip
TESTS = ("tests/core/estimate", "tests/conformance", "tests/core/architecture")
SLOWEST = 60  # seconds; a mutant that loops is noticed

_OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.FloorDiv: ast.Mult, ast.Div: ast.Mult, ast.Mod: ast.FloorDiv,
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One change: the mutated source, and where and what it is."""

    module: str
    line: int
    what: str
    source: str


def mutants_of(module: str, source: str) -> Iterator[Mutant]:
    """Every single change of a number, an operator, or of max and min."""
    count = len(list(_places(ast.parse(source))))
    for index in range(count):
        tree = ast.parse(source)
        node, attribute = list(_places(tree))[index]
        before = ast.unparse(node)
        _change(node, attribute)
        yield Mutant(
            module=module, line=node.lineno, what=f"{before[:70]} → {ast.unparse(node)[:70]}", source=ast.unparse(tree)
        )


def _places(tree: ast.Module) -> Iterator[tuple[ast.expr, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=bool()):
                continue
            case ast.Constant(value=int() | float()):
                yield node, "value"
            case ast.BinOp(op=op) if type(op) in _OPERATORS:
                if not isinstance(op, ast.Mod) and not (
                    isinstance(op, ast.Add) and isinstance(node.left, ast.JoinedStr)
                ):
                    yield node, "op"
            case ast.BoolOp():
                yield node, "op"
            case ast.Compare(ops=[op]) if type(op) in _OPERATORS:
                yield node, "ops"
            case ast.Call(func=ast.Name(id="max" | "min")):
                yield node, "func"


def _change(node: ast.expr, attribute: str) -> None:
    match node, attribute:
        case ast.Constant(value=value), _:
            node.value = value + 1 if isinstance(value, int) else value * 1.5 + 0.1
        case ast.Compare(ops=[op]), _:
            node.ops = [_OPERATORS[type(op)]()]  # type: ignore[list-item]
        case ast.Call(func=ast.Name(id=name) as function), _:
            function.id = "min" if name == "max" else "max"
        case ((ast.BinOp(op=op) | ast.BoolOp(op=op)), _):
            node.op = _OPERATORS[type(op)]()  # type: ignore[assignment]


def main() -> None:
    """Sample, test, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mutants", type=int, default=300)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--module", action="append", help="only these modules of vram.estimate")
    options.add_argument("--minutes", type=float, default=60)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("core", "plugins", "overhead_profiles", "tests", "docs"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        for name in ("pyproject.toml", "README.md"):
            shutil.copy(ROOT / name, copy / name)
        _judge(copy, _sample(copy, chosen.module or MODULES, chosen.mutants, chosen.seed), chosen.minutes)


def _path(copy: Path, module: str) -> Path:
    return copy / "core" / "vram" / "estimate" / f"{module}.py"


def _sample(copy: Path, modules: tuple[str, ...] | list[str], wanted: int, seed: int) -> list[Mutant]:
    everything = [mutant for module in modules for mutant in mutants_of(module, _path(copy, module).read_text())]
    random.Random(seed).shuffle(everything)
    print(f"{len(everything)} possible mutants, {min(wanted, len(everything))} tried", flush=True)
    return everything[:wanted]


def _judge(copy: Path, mutants: list[Mutant], minutes: float) -> None:
    assert _passes(copy), "the tests fail without any change"
    score: dict[str, list[int]] = {}
    end = time.monotonic() + 60 * minutes
    for mutant in mutants:
        if time.monotonic() > end:
            break
        path = _path(copy, mutant.module)
        original = path.read_text()
        path.write_text(mutant.source)
        survived = _passes(copy)
        path.write_text(original)
        counts = score.setdefault(mutant.module, [0, 0])
        counts[0] += not survived
        counts[1] += 1
        if survived:
            print(f"survived: {mutant.module}.py:{mutant.line}: {mutant.what}", flush=True)
    for module, (noticed, tried) in sorted(score.items()):
        print(f"{module:16} {noticed:4} of {tried:4}")
    noticed, tried = (sum(counts[i] for counts in score.values()) for i in (0, 1))
    print(f"{'all':16} {noticed:4} of {tried:4}  {noticed / max(1, tried):.1%}")


def _passes(copy: Path) -> bool:
    environment = {
        **os.environ,
        "PYTHONPATH": f"{copy / 'core'}{os.pathsep}{copy / 'plugins'}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPYCACHEPREFIX": str(copy / "bytecode"),
        "HF_HUB_OFFLINE": "1",
    }
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *TESTS]
    try:
        done = subprocess.run(command, cwd=copy, env=environment, capture_output=True, timeout=SLOWEST, check=False)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


if __name__ == "__main__":
    main()
