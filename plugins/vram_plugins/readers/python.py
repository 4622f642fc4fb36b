"""Python: `LLM(...)`, `EngineArgs(...)`, commands given to subprocess, and Modal's functions, by the syntax tree alone."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator

from vram.errors import CheckpointError
from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram_plugins.readers.cells import translated
from vram_plugins.readers.engines import on_named_device
from vram_plugins.readers.launch import pinned, unpinned
from vram_plugins.readers.python_walk import Walk

_NEEDLE = re.compile(
    r"\bvllm\b|\bvLLM\b|\bV(?:LLM|llm)(?:\b|_)|\bray\.\w+\.llm\b|\bsglang\b|text-generation-launcher|ollama|lmdeploy|tensorrt_llm"
)
_MAX_PASSES = 3


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
    walk = Walk(text, kind, version or pinned(source), newest=unpinned(source))
    try:
        walk.module(tree)
        for _ in range(_MAX_PASSES):  # a function is read with what its callers give, and they with what it returns
            if not walk.functions.learned():
                break
            walk = walk.again()
            walk.module(tree)
    except RecursionError:
        raise CheckpointError(path=text.path, problem="is nested too deeply") from None
    yield from sorted(walk.starts.found, key=lambda server: server.line)


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


def reader() -> Python:
    """The reader of Python."""
    return Python()
