"""Which changed file of vLLM explains a group of moved answers.

A file is a candidate for a move when the answer touches it and the two releases' texts differ. Among candidates those are
taken first that the moved answers touch and the others do not (F1 of "touched" as a guess of "moved"), until every move has
one. It is a pointer for the reader, not a proof: the diff of the named functions is what to read.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

_MODELS, _LAYERS = "model_executor/models/", "model_executor/layers/"
#: what every answer of a kind goes through, whatever its model
_ALWAYS = {
    "parameters": (),
    "dtype": ("config/model.py", "model_executor/models/config.py"),
    "context length": ("config/model.py", "model_executor/models/config.py"),
    "batch defaults": (
        "engine/arg_utils.py",
        "config/scheduler.py",
        "model_executor/models/config.py",
        "config/vllm.py",
    ),
    "backend": ("platforms/cuda.py", "v1/attention/selector.py"),
    "cache": (
        "v1/core/kv_cache_utils.py",
        "v1/core/kv_cache_planning.py",
        "v1/core/single_type_kv_cache_manager.py",
        "v1/kv_cache_interface.py",
        "v1/worker/utils.py",
        "platforms/interface.py",
        "platforms/cuda.py",
        "config/cache.py",
        "config/vllm.py",
    ),
}
#: kinds of `moves.KINDS` whose numbers come out of the cache's planning
_OF_THE_CACHE = frozenset({"block size", "KV specs", "KV plan", "concurrency"})
#: by kind, the folders whose files may be a cause
_SCOPE = {
    "parameters": (_MODELS, _LAYERS),
    "dtype": ("config/", "transformers_utils/", "model_executor/models/config.py"),
    "context length": ("config/", "transformers_utils/", "model_executor/models/config.py"),
    "batch defaults": ("engine/", "config/", _MODELS),
    "backend": ("v1/attention/", "platforms/", _LAYERS + "attention"),
    "cache": ("v1/", "platforms/", "config/", _MODELS, _LAYERS + "attention", _LAYERS + "mamba"),
    "refusal": (_MODELS, _LAYERS, "config/", "transformers_utils/"),
}


@dataclass(frozen=True)
class Sources:
    """Two releases' packages, as folders that hold `vllm`."""

    old: Path
    new: Path

    def text(self, path: str, *, of_old: bool = False) -> str:
        """Text of a file below the package; empty where the release has none."""
        file = (self.old if of_old else self.new) / "vllm" / path
        return file.read_text(encoding="utf-8") if file.is_file() else ""

    def changed(self, path: str) -> bool:
        """Whether the file's code differs: not its comments, docstrings and imports."""
        if path not in self._changed:
            old, new = self.text(path, of_old=True), self.text(path)
            self._changed[path] = old != new and bool(changed_names(old, new))
        return self._changed[path]

    @cached_property
    def _changed(self) -> dict[str, bool]:
        return {}

    @cached_property
    def registered(self) -> Mapping[str, str]:
        """By architecture, the file of its class, in the new release or else the old."""
        found: dict[str, str] = {}
        for of_old in (True, False):
            text = self.text(_MODELS + "registry.py", of_old=of_old)
            for name, module in re.findall(r'"(\w+)":\s*\(\s*"([\w.]+)",\s*"\w+"', text):
                found[name] = f"{_MODELS}{module.replace('.', '/')}.py"
        return found

    @cached_property
    def backends(self) -> Mapping[str, str]:
        """By attention backend's name, its file."""
        found: dict[str, str] = {}
        root = self.new / "vllm"
        for file in sorted((root / "v1/attention/backends").rglob("*.py")):
            for name in re.findall(r'def get_name\(\)[^:]*:\s*return "(\w+)"', file.read_text(encoding="utf-8")):
                found[name] = str(file.relative_to(root))
        return found

    @cached_property
    def _imports(self) -> dict[str, tuple[str, ...]]:
        return {}

    def imports(self, path: str) -> tuple[str, ...]:
        """Files of models and layers that a file imports by name."""
        if path not in self._imports:
            text = self.text(path) or self.text(path, of_old=True)
            self._imports[path] = tuple(sorted(_imported(text, path, self.new / "vllm")))
        return self._imports[path]

    def change(self, path: str) -> str:
        """Lines added and removed, and the functions and classes that differ, in a few words."""
        old, new = self.text(path, of_old=True), self.text(path)
        if not old or not new:
            return "new" if new else "gone"
        lines = Counter(line[0] for line in difflib.unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))
        names = changed_names(old, new)
        told = ", ".join(f"`{name}`" for name in names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return f"+{max(0, lines['+'] - 1)} −{max(0, lines['-'] - 1)}" + (f": {told}" if told else "")


def _imported(text: str, path: str, root: Path) -> Iterable[str]:
    here = path.split("/")[:-1]
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom):
            continue
        base = here[: len(here) - node.level + 1] if node.level else []
        parts = [*base, *(node.module or "").split(".")] if node.level else (node.module or "").split(".")[1:]
        if node.level == 0 and not (node.module or "").startswith("vllm."):
            continue
        for name in (None, *(alias.name for alias in node.names)):
            place = "/".join(part for part in (*parts, name) if part)
            for file in (f"{place}.py", f"{place}/__init__.py"):
                if file.startswith((_MODELS, _LAYERS)) and (root / file).is_file():
                    yield file


def changed_names(old: str, new: str) -> list[str]:
    """Functions and methods of two texts that differ, came or went, and `module` for what stands outside of them.

    Comments, docstrings and imports do not count.
    """
    before, after = _functions(old), _functions(new)
    return [name for name in dict.fromkeys((*after, *before)) if before.get(name) != after.get(name)]


def _functions(text: str) -> dict[str, str]:
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return {}
    found: dict[str, str] = {}

    def walk(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.ClassDef):
                walk(node.body, f"{prefix}{node.name}.")
                own = [line for line in node.body if not isinstance(line, ast.FunctionDef | ast.ClassDef | ast.Expr)]
                found[f"{prefix}{node.name}"] = "\n".join(map(ast.unparse, own))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                if ast.get_docstring(node) is not None:
                    node.body = node.body[1:] or [ast.Pass()]
                found[prefix + node.name] = ast.unparse(node)

    walk(tree.body, "")
    outside = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom | ast.Expr
    found["module"] = "\n".join(ast.unparse(line) for line in tree.body if not isinstance(line, outside))
    return found


def scope(kinds: Sequence[str]) -> str:
    """Under which name of `_SCOPE` a move of these kinds is looked for: what is decided first decides the rest."""
    for kind in ("refusal", "parameters", "dtype", "context length", "batch defaults", "backend"):
        if kind in kinds:
            return kind
    return "cache"


def touched(answer: Mapping[str, Any], config: Mapping[str, Any], sources: Sources, kind: str) -> frozenset[str]:
    """Changed files within the kind's scope that an answer goes through."""
    files: set[str] = set(_ALWAYS.get(kind, ()))
    models = {sources.registered[name] for name in config.get("architectures") or () if name in sources.registered}
    while models - files:
        files |= models
        models = {one for path in models for one in sources.imports(path) if one.startswith(_MODELS)}
    files |= {one for path in tuple(files) if path.startswith(_MODELS) for one in sources.imports(path)}
    files |= {sources.backends[name] for name in answer.get("backends", ()) if name in sources.backends}
    files |= set(_quantization(config, sources))
    files |= {f"transformers_utils/configs/{model}.py" for model in _model_types(config)}
    return frozenset(path for path in files if path.startswith(_SCOPE[kind]) and sources.changed(path))


def _nearness(path: str) -> tuple[bool, str]:
    return not path.startswith(_MODELS), path


def _model_types(config: Mapping[str, Any]) -> set[str]:
    sections = [config, *(value for value in config.values() if isinstance(value, dict))]
    return {str(section["model_type"]) for section in sections if "model_type" in section}


def _quantization(config: Mapping[str, Any], sources: Sources) -> Iterable[str]:
    sections = [config, *(value for value in config.values() if isinstance(value, dict))]
    blocks = [section.get("quantization_config") or section.get("compression_config") for section in sections]
    for block in blocks:
        method = str(block.get("quant_method", "")).replace("-", "_") if isinstance(block, dict) else ""
        folder = sources.new / "vllm" / _LAYERS / "quantization"
        for file in (*folder.glob(f"{method}.py"), *folder.glob(f"{method}/**/*.py")) if method else ():
            path = str(file.relative_to(sources.new / "vllm"))
            yield path
            yield from sources.imports(path)


def assign(moved: Mapping[str, frozenset[str]], same: Iterable[frozenset[str]]) -> dict[str, tuple[str, ...]]:
    """By moved answer, its cause's files (none where it touches no changed file); files that explain the same alike stay together."""
    others = Counter(path for files in same for path in files)
    left, found = dict(moved), dict.fromkeys(moved, ())
    while any(left.values()):
        counted = Counter(path for files in left.values() for path in files)
        scores = {path: 2 * n / (n + others[path] + len(left)) for path, n in counted.items()}
        best = max(scores.values())
        chosen = min(path for path, score in scores.items() if score == best)
        its = {name for name, files in left.items() if chosen in files}
        alike = sorted(
            (p for p, s in scores.items() if s == best and all(p in left[name] for name in its)), key=_nearness
        )
        for name in its:
            found[name] = tuple(alike)
            del left[name]
    return found
