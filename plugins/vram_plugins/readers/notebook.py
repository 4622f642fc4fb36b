"""Notebooks: code cells as one Python module, their shell commands, and the cells that are scripts or files."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from vram.errors import CheckpointError
from vram.models.deployment_reader import DeploymentReader, DeploymentText, FoundServer
from vram.models.record import evolve
from vram_plugins.readers.cells import translated
from vram_plugins.readers.gpu_names import gpu_named, uncertain
from vram_plugins.readers.launch import on_release, pinned
from vram_plugins.readers.python import python_servers
from vram_plugins.readers.shell_servers import script_servers

_NEEDLE = re.compile(r"vllm|sglang|text-generation|ollama|lmdeploy")
_CELL = re.compile(r"\s*%%(?:bash|sh|shell|script\s+(?:--\S+\s+)*(?:ba)?sh)\b")
_FILE = re.compile(r"\s*%%(?:writefile|file)\s+(?:-a\s+)?(\S+)")
#: what a cell gives to the shells of those behind it
_EXPORTED = re.compile(
    r"%(?:set_)?env\s+(\w+)(?:\s*=\s*|\s+)(\S.*?)\s*$|os\.environ\[['\"](\w+)['\"]\]\s*=\s*['\"]([^'\"]*)['\"]\s*(?:#.*)?$"
)
_SET = re.compile(r"^([A-Za-z_]\w*)[^\S\n]*(?::[^=\n]{1,200})?=(?!=)", re.MULTILINE)


class Notebook(DeploymentReader):
    """The servers of its code cells, at their lines in the file."""

    name = "notebook"
    rank = 1

    def claims(self, text: DeploymentText) -> bool:
        return text.path.endswith(".ipynb") and _NEEDLE.search(text.text) is not None

    def servers(self, text: DeploymentText) -> Iterable[FoundServer]:
        whole = _parsed(text)
        found = sorted(_servers(text, whole), key=lambda server: server.line)
        gpu, gpus, assumed = _machine(whole.get("metadata") if isinstance(whole, dict) else None)
        return [
            one
            if gpu is None or one.gpu is not None or one.status == "not_vllm"
            else evolve(one, gpu=gpu, gpus=gpus if one.gpus is None else one.gpus, assumed=(*one.assumed, *assumed))
            for one in found
        ]


#: the accelerators of Kaggle by the names in a notebook's metadata, and how many a session of each has
_KAGGLE = {"nvidiaTeslaT4": ("T4", 2), "nvidiaTeslaP100": ("P100", 1), "nvidiaL4": ("L4", 4), "nvidiaL4X1": ("L4", 1)}


def _machine(metadata: Any) -> tuple[str | None, int | None, tuple[str, ...]]:
    """The GPUs that a notebook is set to run on: Colab's `gpuType` (one of them), Kaggle's `accelerator`."""
    held = metadata if isinstance(metadata, dict) else {}
    colab, kaggle = held.get("colab"), held.get("kaggle")
    if isinstance(colab, dict) and isinstance(kind := colab.get("gpuType"), str):
        gpu = gpu_named(kind)
        return gpu, 1, uncertain(kind, gpu)
    if isinstance(kaggle, dict) and (told := _KAGGLE.get(str(kaggle.get("accelerator")))):
        return gpu_named(told[0]), told[1], ()
    return None, None, ()


def _servers(text: DeploymentText, whole: Any) -> Iterator[FoundServer]:
    cells = list(_cells(text, whole))
    names = {name for lines in cells for name in _SET.findall("\n".join(line for line, _ in lines))}
    version = pinned("\n".join(line for lines in cells for line, _ in lines))
    python: list[str] = []
    places: list[int] = []
    exported: dict[str, str] = {}
    for lines in cells:
        content = [line for line, _ in lines]
        first = next((line for line in content if line.strip()), "")
        match = _FILE.match(first)
        if match or _CELL.match(first):
            start = content.index(first) + 1
            body = "\n".join(content[start:]) + "\n"
            found: Iterable[FoundServer]
            found = text.within(match[1], body, 1) if match else script_servers(text, body, variables=exported)
            at = [line for _, line in lines[start:]]
            for server in found:
                one = server if match else on_release(server, version)
                yield evolve(one, line=_place(at, server.line), kind="notebook")
            continue
        exported |= {match[1] or match[3]: match[2] or match[4] for match in map(_EXPORTED.match, content) if match}
        python_lines = translated(content, names)
        try:
            ast.parse("\n".join(python_lines))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            python_lines = [""] * len(python_lines)  # a broken cell hides no other
        python += python_lines
        places += [line for _, line in lines]
    source = "\n".join(python)
    yield from (evolve(s, line=_place(places, s.line)) for s in python_servers(text, source, "notebook", version))


def _place(places: list[int], line: int) -> int:
    return places[line - 1] if 0 < line <= len(places) else places[-1] if places else 1


def _parsed(text: DeploymentText) -> Any:
    """The notebook's JSON. Raises CheckpointError for what is none."""
    try:
        return json.loads(text.text)
    except (ValueError, RecursionError):
        raise CheckpointError(path=text.path, problem="is not valid JSON") from None


def _cells(text: DeploymentText, whole: Any) -> Iterator[list[tuple[str, int]]]:
    """The lines of each code cell, with their lines in the file."""
    cells = whole.get("cells") if isinstance(whole, dict) else None
    if cells is None and isinstance(whole, dict) and isinstance(whole.get("worksheets"), list):
        cells = [c for sheet in whole["worksheets"] if isinstance(sheet, dict) for c in sheet.get("cells", [])]
    finder = _Finder(text.text)
    for cell in cells if isinstance(cells, list) else []:
        if not isinstance(cell, dict):
            continue
        lines = list(finder.lines(cell.get("source", cell.get("input", ""))))
        if cell.get("cell_type") == "code":
            yield lines


class _Finder:
    """Where a notebook's file has a cell's lines: each is a JSON string, and they stand in order."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.line, self.misses = text, 0, 1, 0

    def lines(self, source: Any) -> Iterator[tuple[str, int]]:
        pieces = source if isinstance(source, list) else [source]
        for piece in pieces:
            if not isinstance(piece, str):
                continue
            line = self.find(piece)
            for content in piece.split("\n")[: -1 if piece.endswith("\n") else None]:
                yield content, line

    def find(self, piece: str) -> int:
        for form in (json.dumps(piece, ensure_ascii=False), json.dumps(piece)):
            found = self.text.find(form, self.at) if self.misses < 20 else -1
            if found >= 0:
                self.line += self.text.count("\n", self.at, found)
                self.at = found
                return self.line
            self.misses += 1
        return self.line


def reader() -> Notebook:
    """The reader of notebooks."""
    return Notebook()
