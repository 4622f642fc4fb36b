"""Python: `LLM(...)`, `EngineArgs(...)`, commands given to subprocess, and Modal's functions, by the syntax tree alone."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any

from vram.errors import CheckpointError
from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.cells import translated
from vram_plugins.readers.engines import on_named_device
from vram_plugins.readers.launch import pinned
from vram_plugins.readers.python_engine import Room, container_servers, engine_servers, is_engine_argument, placed
from vram_plugins.readers.python_held import (
    MOST_ROUNDS,
    Called,
    Listed,
    Missing,
    Names,
    Parser,
    copied,
    dotted,
    items_of,
    text_of,
)
from vram_plugins.readers.python_modal import bento_gpu, image_environment, modal_gpu
from vram_plugins.readers.python_parsed import parsed_servers
from vram_plugins.readers.python_values import added, arguments_of, value_of
from vram_plugins.readers.python_wrapped import wrapped_servers
from vram_plugins.readers.shell import command_servers, deciding, script_servers, untold

_NEEDLE = re.compile(
    r"\bvllm\b|\bV(?:LLM|llm)\b|\bray\.\w+\.llm\b|\bsglang\b|text-generation-launcher|ollama|lmdeploy|tensorrt_llm"
)
#: classes of vLLM that take engine arguments; True for those of a program without a server
_ENGINES = {"LLM": True, "EngineArgs": True, "AsyncEngineArgs": False}
_OTHER_ENGINES = {
    "sglang.Engine": "SGLang",
    "sgl.Engine": "SGLang",
    "tensorrt_llm.LLM": "TensorRT-LLM",
    "lmdeploy.pipeline": "LMDeploy",
}
_STARTING = {"Popen", "run", "call", "check_call", "check_output", "create_subprocess_exec", "create_subprocess_shell"}
_SHELLING = {
    "os.system",
    "os.popen",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "get_ipython.system",
    "get_ipython.system_raw",
    "get_ipython.getoutput",
}
#: how Modal and Ray call a function, or make an object, on another machine
_AWAY = re.compile(r"\.(?:remote|spawn|local)(?:\.aio)?$")
_PLACE = "its place"  # no name of a parameter
_MAX_NODES = 200_000
_MAX_PASSES = 3
_MAX_BINDINGS = 8
_MAX_TABLES, _MAX_SERVICES = 3, 200


class Python(DeploymentReader):
    """One server for each engine that is made and each command that starts one."""

    name = "python"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        named = text.path.endswith(".py") or re.match(r"#!.*python", text.text) is not None
        return named and _NEEDLE.search(text.text) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        return list(on_named_device(text.path, python_servers(text, text.text)))


def python_servers(
    text: DeploymentText, source: str, kind: str = "", version: str | None = None
) -> Iterator[FoundServer]:
    """The servers of a module, lines counted from its first; `version` is what is installed beside it.

    Raises CheckpointError for what is no Python.
    """
    try:
        tree = _parsed(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise CheckpointError(path=text.path, problem="is not valid Python") from None
    walk = _Walk(text, kind, version or pinned(source))
    try:
        walk.module(tree)
        for _ in range(_MAX_PASSES):  # a function is read with what its callers give, and they with what it returns
            if not walk.learned():
                break
            walk = walk.again()
            walk.module(tree)
    except RecursionError:
        raise CheckpointError(path=text.path, problem="is nested too deeply") from None
    yield from sorted(walk.found, key=lambda server: server.line)


def _parsed(source: str) -> ast.Module:
    """The syntax tree; of a notebook that is written as Python, with its commands and magics as calls."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # escapes that Python warns of are the file's affair
        try:
            return ast.parse(source)
        except SyntaxError:
            if not re.search(r"^[^\S\n]*[!%]", source, re.MULTILINE):
                raise
            return ast.parse("\n".join(translated(source.split("\n"), set())))


class _Walk:
    """A module's statements in their order, functions where they are written."""

    def __init__(self, text: DeploymentText, kind: str, version: str | None) -> None:
        self.text = text
        self.kind = kind
        self.version = version
        self.later: list[tuple[ast.FunctionDef | ast.AsyncFunctionDef, Names, Room]] = []
        self.parsers: dict[str, Parser] = {}
        self.found: list[FoundServer] = []
        self.seen: set[tuple[int, tuple[str, ...], str | None]] = set()
        self.imported: dict[str, str] = {}
        self.subclasses: dict[str, str] = {}
        self.lists: dict[int, tuple[Listed, Room]] = {}
        self.used: set[int] = set()
        self.left = _MAX_NODES
        self.functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef | None] = {}
        self.given: dict[str, list[dict[str, Any]]] = {}
        self.returned: dict[str, Any] = {}
        self.known: tuple[dict[str, list[dict[str, Any]]], dict[str, Any]] = ({}, {})

    def learned(self) -> bool:
        """Whether the walk has seen arguments or results of functions that it did not know."""
        return (repr(self.given), repr(self.returned)) != (repr(self.known[0]), repr(self.known[1]))

    def again(self) -> _Walk:
        """A walk that knows what this one has learned."""
        walk = _Walk(self.text, self.kind, self.version)
        walk.known = (self.given, self.returned)
        return walk

    def module(self, tree: ast.Module) -> None:
        """Statements first, functions then: when they run, the module's names are all there."""
        names, room = Names(), Room(kind=self.kind or "python")
        self.functions = _functions(tree)
        for name, held in self.known[1].items():
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
        self.rest()

    def options_of(self, node: ast.FunctionDef, names: Names) -> None:
        """The parser that a function makes, for what it returns is taken apart elsewhere."""
        inner = _Walk(self.text, self.kind, None)
        scope = Names(names)
        inner.body(node.body, scope, Room())
        found = [held for held in scope.values.values() if isinstance(held, Parser)]
        if len({id(held) for held in found}) == 1:
            self.parsers[node.name] = found[0]

    def body(self, statements: Sequence[ast.stmt], names: Names, room: Room) -> None:
        for statement in statements:
            self.left -= 1
            if self.left < 0:
                return
            self.statement(statement, names, room)

    def statement(self, node: ast.stmt, names: Names, room: Room) -> None:  # noqa: PLR0912 - a case for each statement
        match node:
            case ast.Import():
                for alias in node.names:
                    self.imported[alias.asname or alias.name.split(".")[0]] = (
                        alias.name if alias.asname else alias.name.split(".")[0]
                    )
            case ast.ImportFrom():
                for alias in node.names:
                    self.imported[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self.later.append((node, names, room))
            case ast.ClassDef():
                inner = Names(names)
                self.subclass(node)
                names.values.setdefault(node.name, node.name)  # given to vLLM, a class is its name
                self.body(node.body, inner, self.decorated(node, names, room))
                self.fields_of(node, inner, names)
            case ast.Assign():
                self.assignment(node, names, room)
            case ast.AnnAssign() if node.value is not None:
                self.calls(node.value, names, room)
                self.assign(node.target, value_of(node.value, names), names, room)
            case ast.Delete():
                self.deletion(node, names)
            case ast.AugAssign():
                self.calls(node.value, names, room)
                self.extend(node, names)
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
                self.mutation(node.value, names)
                self.calls(node.value, names, room)
            case ast.Return() if node.value is not None:
                self.calls(node.value, names, room)
                self.result(value_of(node.value, names), names, room)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.calls(child, names, room)

    def imported_name(self, name: str) -> str:
        """A dotted name from where its beginning is imported."""
        first, _, behind = name.partition(".")
        return self.imported.get(first, first) + (f".{behind}" if behind else "")

    def subclass(self, node: ast.ClassDef) -> None:
        """Keep a class of the file that is one of vLLM's with more to it."""
        for base in node.bases:
            whole = self.imported_name(dotted(base))
            if whole.split(".")[0] == "vllm" and whole.rsplit(".", 1)[-1] in _ENGINES:
                self.subclasses[node.name] = whole.rsplit(".", 1)[-1]

    @staticmethod
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

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, names: Names, room: Room) -> None:
        """A function's body, once for each set of arguments that the file gives it; at its defaults where it gives none."""
        name = _key(node, self.functions)
        for given in self.known[0].get(name, ())[:_MAX_BINDINGS] or [{}]:
            self.left -= 1
            inner = self.parameters(node, names)
            place = given.get(_PLACE)
            around = evolve(place, name=room.name) if place is not None and room.gpu is None else room
            for key, held in given.items():
                told = not isinstance(held, Missing | Called)
                if told or not isinstance(inner.values.get(key), Parser):
                    inner.values[key] = copied(held)
            inner.values["return"] = Listed()
            self.body(node.body, inner, self.decorated(node, names, around))
            results = inner.values["return"]
            if name and len(results) == 1 and not isinstance(results[0], Missing | Called):
                before = self.returned.get(name, results[0])
                self.returned[name] = results[0] if _same(before, results[0]) else Missing(name)

    def parameters(self, node: ast.FunctionDef | ast.AsyncFunctionDef, names: Names) -> Names:
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
        parsers = {id(parser): parser for parser in self.parsers.values()}
        for name in ("args", "opt", "opts", "cli_args", "config_args") if len(parsers) == 1 else ():
            if isinstance(inner.values.get(name), Missing):
                inner.values[name] = next(iter(parsers.values()))
        for extra in (node.args.vararg, node.args.kwarg):
            if extra is not None:
                inner.values[extra.arg] = Missing(extra.arg)
        return inner

    def bind(self, name: str, values: Sequence[Any], named: dict[str, Any], room: Room) -> None:
        """Keep what a call gives to a function of the file; also the machine on which that then runs."""
        node = self.functions.get(name.removeprefix("self."))
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
            given[_PLACE] = room
        kept = self.given.setdefault(name.removeprefix("self."), [])
        if len(kept) < _MAX_BINDINGS and all(repr(one) != repr(given) for one in kept):
            kept.append(given)

    def decorated(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, names: Names, room: Room) -> Room:
        """The room inside a function or class: what a decorator of Modal says."""
        room = evolve(room, name=node.name if not room.name or isinstance(node, ast.ClassDef) else room.name)
        for decorator in node.decorator_list:
            if not isinstance(decorator, ast.Call) or not dotted(decorator.func).endswith(
                (".function", ".cls", ".server", ".service")
            ):
                continue
            held = value_of(decorator, names)
            if isinstance(held, Called) and held.name == "bentoml.service" and "resources" in held.named:
                gpu, gpus, assumed = bento_gpu(held.named["resources"])
                room = evolve(room, gpu=gpu, gpus=gpus, assumed=assumed)
            if (
                isinstance(held, Called)
                and ({"gpu", "image"} & set(held.named))
                and any(one.split(".")[0] == "modal" for one in self.imported.values())
            ):
                gpu, gpus, assumed = modal_gpu(held.named.get("gpu"))
                environment = {**room.environment, **image_environment(held.named.get("image"))}
                kind = self.kind or "modal"
                room = evolve(room, kind=kind, gpu=gpu, gpus=gpus, environment=environment, assumed=assumed)
        return room

    def assignment(self, node: ast.Assign, names: Names, room: Room) -> None:
        self.calls(node.value, names, room)
        held = value_of(node.value, names)
        if isinstance(node.value, ast.Call) and dotted(node.value.func).endswith(".pop"):
            self.mutation(node.value, names)
        for target in node.targets:
            self.assign(target, held, names, room)

    @staticmethod
    def deletion(node: ast.Delete, names: Names) -> None:
        for target in node.targets:
            base = value_of(target.value, names) if isinstance(target, ast.Subscript) else None
            if isinstance(target, ast.Subscript) and isinstance(base, dict):
                base.pop(text_of(value_of(target.slice, names)), None)

    def result(self, held: Any, names: Names, room: Room) -> None:
        """What a function returns, kept for those that call it."""
        self.register(held, room)
        results = names.values.get("return")
        if isinstance(results, list) and len(results) < 4 and all(one != held for one in results):
            results.append(held)

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
        self.register(held, room)

    def register(self, held: Any, room: Room, depth: int = 0) -> None:
        """Keep a list that may be a command that some other function starts; also one in a table of services."""
        if isinstance(held, dict) and depth < _MAX_TABLES:
            for inner in list(held.values())[:_MAX_SERVICES]:
                self.register(inner, room, depth + 1)
        if isinstance(held, Listed) and held and id(held) not in self.lists and _is_command(held):
            self.lists[id(held)] = (held, room)

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
        elif isinstance(held, list) and len(held) < 2000:
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

    def branches(self, node: ast.If, names: Names, room: Room) -> None:
        """Both branches where only a run would tell; lists of the untaken one are as they were."""
        self.calls(node.test, names, room)
        test = value_of(node.test, names)
        if not isinstance(test, Missing | Called):
            self.body(node.body if test else node.orelse, names, room)
            return
        if isinstance(node.test, ast.Compare) and dotted(node.test.left) == "__name__":
            self.body(node.body, names, room)
            return
        before = {key: list(held) for key, (held, _) in self.lists.items()}
        absent = isinstance(test, Missing)
        kept = dict(names.values)
        self.body(node.body, names, room)
        after = names.values
        names.values = kept
        for key, content in before.items():
            self.lists[key][0][:] = content
        self.body(node.orelse, names, room)
        if node.orelse or not absent:
            for name in {*after, *names.values}:
                if name not in after or name not in names.values or not _same(after[name], names.values[name]):
                    names.values[name] = Missing(name)
        else:
            for name, held in after.items():
                old = names.values.get(name, names.get(name))
                if not isinstance(held, list | dict) and not _same(held, old):
                    names.values[name] = Missing(name) if not isinstance(old, Missing) else held

    def loop(self, node: ast.For | ast.AsyncFor, names: Names, room: Room) -> None:
        self.calls(node.iter, names, room)
        over = items_of(value_of(node.iter, names))
        values = list(over or ())[:MOST_ROUNDS]
        if over is None or len(over) > MOST_ROUNDS:
            values.append(Missing(dotted(node.target) or "…"))
        has_server = any(isinstance(child, ast.Call) for part in node.body for child in ast.walk(part))
        for held in values if has_server or len(values) < 9 else [values[0]]:
            self.assign(node.target, held, names, room)
            self.body(node.body, names, room)

    def calls(self, node: ast.expr, names: Names, room: Room) -> None:
        """The calls in an expression that make an engine or start a command."""
        for child in ast.walk(node):
            self.left -= 1
            if self.left < 0:
                return
            if isinstance(child, ast.Call):
                self.call(child, names, room)

    def call(self, node: ast.Call, names: Names, room: Room) -> None:
        name = dotted(node.func) or _behind(node.func)
        if not name.strip("."):
            return
        called = _AWAY.sub("", name)
        if called.removeprefix("self.") in self.functions:
            held = arguments_of(node, names)
            self.bind(called, held.values, held.named, room)
        for keyword in node.keywords:
            if keyword.arg == "target" and dotted(keyword.value).removeprefix("self.") in self.functions:
                given = value_of(next((k.value for k in node.keywords if k.arg == "args"), None), names)
                self.bind(dotted(keyword.value), given if isinstance(given, list) else (), {}, room)
        whole = self.imported_name(name)
        last = whole.rsplit(".", 1)[-1]
        made = self.made(node, called, whole, names, room)
        if made is not None:
            self.add(made)
        elif name.endswith((".containers.run", ".containers.create")):
            self.add(container_servers(self.text, arguments_of(node, names), node.lineno, room))
        elif whole in _OTHER_ENGINES:
            self.found.append(
                FoundServer(
                    line=node.lineno,
                    kind=room.kind,
                    name=room.name,
                    status="not_vllm",
                    problem=f"runs {_OTHER_ENGINES[whole]}",
                )
            )
        elif (
            (last in _STARTING and whole.split(".")[0] in {"subprocess", "asyncio", "sp", last})
            or whole in _SHELLING
            or last.startswith("exec")
        ):
            self.started(value_of(node, names), node.lineno, room)

    def made(self, node: ast.Call, called: str, whole: str, names: Names, room: Room) -> Iterable[FoundServer] | None:
        """The servers of a call that makes an engine, or hands arguments to one; None for any other."""
        last = whole.rsplit(".", 1)[-1]
        held = arguments_of(node, names)
        engine = self.subclasses.get(called)
        if last == "partial" and node.args and self.imported.get(dotted(node.args[0]), "").startswith("vllm"):
            engine = self.imported[dotted(node.args[0])].rsplit(".", 1)[-1]
            held = held._replace(values=held.values[1:])
            if engine not in _ENGINES:
                return None
        elif engine is not None:  # a class of the file with arguments of its own
            known = {key: one for key, one in held.named.items() if key == "**" or is_engine_argument(key)}
            held = held._replace(values=held.values[:1], named=known)
            if "model" not in known and not held.values:
                return ()
        elif last in _ENGINES and whole.split(".", maxsplit=1)[0] == "vllm":
            engine = last
            passed_on = not held.values and set(held.named) == {"**"}
            if passed_on and self.found:
                return ()
        if engine is None:
            given = Called(dotted(node.args[0]) if node.args else "", held.values, held.named)
            parsed = parsed_servers(self.text, whole, given, names, node.lineno, room)
            if parsed is not None:
                return parsed
            return wrapped_servers(self.text, whole, held, node.lineno, room)
        return engine_servers(self.text, held, node.lineno, room, offline=_ENGINES[engine])

    def started(self, call: Any, line: int, room: Room) -> None:
        """A command given to subprocess or os."""
        if isinstance(call, Called) and not call.values and "args" in call.named:
            call = call._replace(values=(call.named["args"],))
        if not isinstance(call, Called) or not call.values:
            return
        environment = dict(room.environment)
        given = call.named.get("env")
        if isinstance(given, dict):
            environment |= {k: text_of(v) for k, v in given.items() if isinstance(v, str | int) and k != "**"}
        command = call.values[0] if len(call.values) == 1 or not call.name.endswith("_exec") else Listed(call.values)
        if call.name.rsplit(".", 1)[-1].startswith("exec") and len(call.values) > 1:
            command = call.values[1] if isinstance(call.values[1], list) else Listed(call.values[1:])
        if isinstance(command, str):
            line = getattr(command, "line", 0) or line
            found = script_servers(
                self.text, untold(command), kind=room.kind, variables=environment, marked="${" in command
            )
            self.add(evolve(server, line=line, **placed(room, server)) for server in found)
        elif isinstance(command, list):
            self.used.add(id(command))
            self.command(command, getattr(command, "line", 0) or line, environment, room)

    def command(self, command: list[Any], line: int, environment: dict[str, str], room: Room) -> None:
        words = [text_of(word) for word in command if not isinstance(word, list | dict)]
        if len(words) == 1 or any(isinstance(word, list | dict) for word in command):
            return
        if words and words[0].startswith("${"):
            words[0] = "python" if "executable" in words[0] else words[0]
        found = command_servers(self.text, words, line=line, kind=room.kind, environment=environment)
        self.add(evolve(server, **placed(room, server)) for server in found)

    def rest(self) -> None:
        """Commands that are written down and that some function, here or elsewhere, starts."""
        shown = {server.line for server in self.found}
        for key, (held, room) in self.lists.items():
            if key not in self.used and held.line not in shown:
                self.command(held, held.line, dict(room.environment), room)

    def add(self, found: Iterable[FoundServer]) -> None:
        for one in found:
            server = evolve(one, vllm_version=one.vllm_version or self.version)
            key = (server.line, deciding(server.words), server.problem)
            if key not in self.seen:
                self.seen.add(key)
                self.found.append(server)


def _behind(node: ast.expr) -> str:
    """`a.b.c` of a method of what another call gives: `get_ipython().system(…)`, `docker.from_env().containers.run(…)`."""
    names: list[str] = []
    while isinstance(node, ast.Attribute) and len(names) < 8:
        names.append(node.attr)
        node = node.value
    return ".".join([dotted(node.func), *reversed(names)]) if isinstance(node, ast.Call) and names else ""


def _functions(tree: ast.Module) -> dict[str, ast.FunctionDef | ast.AsyncFunctionDef | None]:
    """The functions of a file by name, `__init__` by its class's; none where two have one name."""
    found: dict[str, ast.FunctionDef | ast.AsyncFunctionDef | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            inits = [one for one in node.body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
            found |= {node.name: inits[0]} if inits else {}
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("__"):
            found[node.name] = None if node.name in found else node
    return found


def _key(
    node: ast.FunctionDef | ast.AsyncFunctionDef, functions: dict[str, ast.FunctionDef | ast.AsyncFunctionDef | None]
) -> str:
    """The name under which a function is called; "" where that may be another."""
    return next((name for name, one in functions.items() if one is node), "")


def _same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and bool(left == right)


def _is_command(words: Sequence[Any]) -> bool:
    texts = [word for word in words[:8] if isinstance(word, str)]
    return any(a.rsplit("/", 1)[-1] == "vllm" and b == "serve" for a, b in pairwise(texts)) or any(
        t.startswith("vllm.entrypoints") for t in texts
    )


def reader() -> Python:
    """The reader of Python."""
    return Python()
