"""Calls in Python that make an engine of vLLM, start a container or a command, or run a function of the file."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from vram.models.deployment_reader import DeploymentText, FoundServer
from vram_plugins.readers.python_bound import Functions
from vram_plugins.readers.python_engine import Room, container_servers, engine_servers, is_engine_argument
from vram_plugins.readers.python_held import Called, Names, dotted
from vram_plugins.readers.python_parsed import parsed_servers
from vram_plugins.readers.python_started import Starts
from vram_plugins.readers.python_values import arguments_of, value_of
from vram_plugins.readers.python_wrapped import wrapped_servers

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
#: methods that give a text to a shell, here or on another machine: invoke's, Fabric's, Paramiko's, and what people call their own
_GIVING = {
    "run",
    "sudo",
    "local",
    "exec_command",
    "execute_command",
    "run_command",
    "execute",
    "exec_run",
    "send_keys",
    "send_command",
}
_SERVING = re.compile(r"(?:\A|[\s;&|/])vllm\s+serve\s|vllm\.entrypoints|\bdocker\s+run\b")
#: how Modal and Ray call a function, or make an object, on another machine
_AWAY = re.compile(r"(?:\.options)?\.(?:remote|spawn|local|bind)(?:\.aio)?$")


class Imports:
    """Whence a module's names come, and its own classes that are one of vLLM's with more to it."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.subclasses: dict[str, str] = {}

    def take(self, node: ast.Import | ast.ImportFrom) -> None:
        """Keep the names of an import."""
        for alias in node.names:
            if isinstance(node, ast.ImportFrom):
                self.names[alias.asname or alias.name] = f"{node.module or ''}.{alias.name}"
            else:
                first = alias.name.split(".")[0]
                self.names[alias.asname or first] = alias.name if alias.asname else first

    def whole(self, name: str) -> str:
        """A dotted name from where its beginning is imported."""
        first, _, behind = name.partition(".")
        return self.names.get(first, first) + (f".{behind}" if behind else "")

    def subclass(self, node: ast.ClassDef) -> None:
        """Keep a class of the file that is one of vLLM's with more to it."""
        for base in node.bases:
            whole = self.whole(dotted(base))
            if whole.split(".")[0] == "vllm" and whole.rsplit(".", 1)[-1] in _ENGINES:
                self.subclasses[node.name] = whole.rsplit(".", 1)[-1]


class Calling:
    """What the calls of a module start."""

    def __init__(self, text: DeploymentText, imports: Imports, functions: Functions, starts: Starts) -> None:
        self.text = text
        self.imports = imports
        self.functions = functions
        self.starts = starts

    def call(self, node: ast.Call, names: Names, room: Room) -> None:
        name = dotted(node.func) or _behind(node.func)
        if not name.strip("."):
            return
        called = _AWAY.sub("", name)
        if called.removeprefix("self.") in self.functions.by_name:
            held = arguments_of(node, names)
            self.functions.bind(called, held.values, held.named, room)
        for keyword in node.keywords:
            if keyword.arg == "target" and dotted(keyword.value).removeprefix("self.") in self.functions.by_name:
                given = value_of(next((k.value for k in node.keywords if k.arg == "args"), None), names)
                self.functions.bind(dotted(keyword.value), given if isinstance(given, list) else (), {}, room)
        whole = self.imports.whole(name)
        last = whole.rsplit(".", 1)[-1]
        made = self._made(node, called, whole, names, room)
        if made is not None:
            self.starts.add(made)
        elif name.endswith((".containers.run", ".containers.create")):
            self.starts.add(container_servers(self.text, arguments_of(node, names), node.lineno, room))
        elif whole in _OTHER_ENGINES:
            self.starts.found.append(
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
            self.starts.started(value_of(node, names), node.lineno, room)
        elif last in _GIVING:
            held = arguments_of(node, names)
            given = held.values[0] if held.values else held.named.get("command")
            if isinstance(given, str) and _SERVING.search(given):
                self.starts.started(Called(name, (given,), {}), node.lineno, room)

    def _made(self, node: ast.Call, called: str, whole: str, names: Names, room: Room) -> Iterable[FoundServer] | None:
        """The servers of a call that makes an engine, or hands arguments to one; None for any other."""
        last = whole.rsplit(".", 1)[-1]
        held = arguments_of(node, names)
        engine = self.imports.subclasses.get(called)
        if last == "partial" and node.args and self.imports.names.get(dotted(node.args[0]), "").startswith("vllm"):
            engine = self.imports.names[dotted(node.args[0])].rsplit(".", 1)[-1]
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
            if passed_on and self.starts.found:
                return ()
        if engine is None:
            given = Called(dotted(node.args[0]) if node.args else "", held.values, held.named)
            parsed = parsed_servers(self.text, whole, given, names, node.lineno, room)
            if parsed is not None:
                return parsed
            return wrapped_servers(self.text, whole, held, node.lineno, room)
        return engine_servers(self.text, held, node.lineno, room, offline=_ENGINES[engine])


def _behind(node: ast.expr) -> str:
    """`a.b.c` of a method of what another call gives: `get_ipython().system(…)`, `docker.from_env().containers.run(…)`."""
    names: list[str] = []
    while isinstance(node, ast.Attribute) and len(names) < 8:
        names.append(node.attr)
        node = node.value
    return ".".join([dotted(node.func), *reversed(names)]) if isinstance(node, ast.Call) and names else ""
