"""What each vLLM release has, read from its sources with `ast` and without importing anything.

    python -m tests.conformance.release_tables SOURCES > tests/conformance/releases.json     # SOURCES/0.33.0/vllm/...
    python -m tests.conformance.release_tables SOURCES 0.32.0 0.33.0                         # what differs between two

`read_release` gives one release; `ranges` puts many together, each fact with the first and last release of every stretch
it holds for. Facts are texts: "format awq", "deprecated fbgemm_fp8", "capability awq = 75", "cache_dtype fp8",
"flag --seed = 0", "architecture LlamaForCausalLM", "key compilation_config.mode".
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

Version = tuple[int, ...]
KINDS = ("format", "deprecated", "capability", "cache_dtype", "flag", "architecture", "key")
_QUANTIZATION = "model_executor/layers/quantization/__init__.py"
#: configs that are one argument's JSON, by that argument
_JSON = {
    "CompilationConfig": "compilation_config",
    "SpeculativeConfig": "speculative_config",
    "EPLBConfig": "eplb_config",
}
_REGISTRY = "model_executor/models/registry.py"
#: dictionaries of the registry that name what vLLM no longer has, or what only a plugin has
_NOT_REGISTERED = ("_PREVIOUSLY", "_OOT", "_ROCM", "_VLLM_MODELS")


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release: `flags` of `vllm serve` with the source text of their defaults ("" where a default is computed);
    `capabilities` of formats as their config classes give them, ten times the version number.
    """

    version: Version
    formats: tuple[str, ...]
    deprecated: tuple[str, ...]
    capabilities: tuple[tuple[str, int], ...]
    cache_dtypes: tuple[str, ...]
    flags: tuple[tuple[str, str], ...]
    architectures: tuple[str, ...]
    keys: tuple[str, ...] = ()

    def facts(self) -> tuple[str, ...]:
        """Every fact as a text of its kind and what it says."""
        told: list[str] = [f"format {name}" for name in self.formats]
        told += [f"deprecated {name}" for name in self.deprecated]
        told += [f"capability {name} = {least}" for name, least in self.capabilities]
        told += [f"cache_dtype {name}" for name in self.cache_dtypes]
        told += [f"flag {name} = {default}" for name, default in self.flags]
        told += [f"architecture {name}" for name in self.architectures]
        told += [f"key {name}" for name in self.keys]
        return tuple(sorted(told))


def version_of(text: str) -> Version:
    """(0, 10, 1, 1) from "0.10.1.1"."""
    return tuple(map(int, text.split(".")))


def read_release(folder: Path) -> Release:
    """The release whose sources lie in `folder` (named by its version, with the package below as `vllm`)."""
    package = folder / "vllm"
    quantization = _tree(package / _QUANTIZATION)
    return Release(
        version=version_of(folder.name),
        formats=_texts_named(quantization, "QuantizationMethods") or _texts_named(quantization, "QUANTIZATION_METHODS"),
        deprecated=_texts_named(quantization, "DEPRECATED_QUANTIZATION_METHODS"),
        capabilities=tuple(sorted(_capabilities(package, quantization).items())),
        cache_dtypes=_cache_dtypes(package),
        flags=tuple(sorted(_flags(package).items())),
        architectures=_architectures(_tree(package / _REGISTRY)),
        keys=tuple(sorted(_keys(package))),
    )


def read_releases(folder: Path) -> list[Release]:
    """Every release below `folder`, oldest first."""
    found = [path for path in folder.iterdir() if (path / "vllm" / _QUANTIZATION).is_file()]
    return [read_release(path) for path in sorted(found, key=lambda path: version_of(path.name))]


def ranges(releases: Sequence[Release]) -> dict[str, list[list[str]]]:
    """Of every fact, [first, last] release of each unbroken stretch."""
    names = [".".join(map(str, release.version)) for release in releases]
    held: dict[str, list[int]] = {}
    for position, release in enumerate(releases):
        for fact in release.facts():
            held.setdefault(fact, []).append(position)
    found: dict[str, list[list[str]]] = {}
    for fact, positions in sorted(held.items()):
        starts = [p for p in positions if p - 1 not in positions]
        ends = [p for p in positions if p + 1 not in positions]
        found[fact] = [[names[first], names[last]] for first, last in zip(starts, ends, strict=True)]
    return found


def differences(old: Release, new: Release) -> Iterator[str]:
    """Lines of what the newer release lost (-) and gained (+)."""
    before, after = set(old.facts()), set(new.facts())
    for fact in sorted(before ^ after):
        yield f"{'-' if fact in before else '+'} {fact}"


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _assigned(tree: ast.AST, name: str) -> ast.expr | None:
    for node in ast.walk(tree):
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else ()
        )
        if isinstance(node, ast.Assign | ast.AnnAssign) and any(
            isinstance(t, ast.Name) and t.id == name for t in targets
        ):
            return node.value
    return None


def _texts_named(tree: ast.AST, name: str) -> tuple[str, ...]:
    """Texts of a list, tuple or Literal assigned to `name`, in order."""
    value = _assigned(tree, name)
    if isinstance(value, ast.Subscript):
        value = value.slice
    items = value.elts if isinstance(value, ast.Tuple | ast.List) else [value] if value is not None else []
    return tuple(item.value for item in items if isinstance(item, ast.Constant) and isinstance(item.value, str))


def _capabilities(package: Path, quantization: ast.Module) -> dict[str, int]:
    """What `get_min_capability` of each format's config class returns, where that is a number."""
    owners = _assigned(quantization, "method_to_config")
    if not isinstance(owners, ast.Dict):
        return {}
    least: dict[str, int] = {}
    for path in sorted((package / _QUANTIZATION).parent.rglob("*.py")):
        for node in ast.walk(_tree(path)):
            for line in node.body if isinstance(node, ast.ClassDef) else ():
                number = _least(line)
                if isinstance(node, ast.ClassDef) and number is not None:
                    least[node.name] = number
    pairs = zip(owners.keys, owners.values, strict=True)
    named = [
        (key.value, owner.id) for key, owner in pairs if isinstance(key, ast.Constant) and isinstance(owner, ast.Name)
    ]
    return {str(name): least[owner] for name, owner in named if owner in least}


def _least(line: ast.stmt) -> int | None:
    if isinstance(line, ast.FunctionDef) and line.name == "get_min_capability":
        value = line.body[-1].value if isinstance(line.body[-1], ast.Return) else None
        return value.value if isinstance(value, ast.Constant) and isinstance(value.value, int) else None
    return None


def _config_files(package: Path) -> list[Path]:
    return [path for path in (package / "config.py", *sorted((package / "config").glob("*.py"))) if path.is_file()]


def _cache_dtypes(package: Path) -> tuple[str, ...]:
    for path in _config_files(package):
        found = _texts_named(_tree(path), "CacheDType")
        if found:
            return found
    for call in _options(_tree(package / "engine/arg_utils.py")):  # before 0.8 the choices stood at the flag
        if "--kv-cache-dtype" in _spellings(call):
            choices = next((word.value for word in call.keywords if word.arg == "choices"), None)
            return tuple(ast.literal_eval(choices)) if choices is not None else ()
    return ()


def _options(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "add_argument":
            yield node


def _spellings(call: ast.Call) -> list[str]:
    values = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
    return [value for value in values if isinstance(value, str) and value.startswith("--")]


def _fields(tree: ast.AST) -> dict[str, dict[str, ast.expr]]:
    """Annotated fields with a default, by class."""
    return {
        node.name: {
            line.target.id: line.value
            for line in node.body
            if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and line.value is not None
        }
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    }


def _flags(package: Path) -> dict[str, str]:
    """Flags of the engine's parser and of the server's, with their defaults."""
    classes: dict[str, dict[str, ast.expr]] = {}
    for path in (*_config_files(package), package / "engine/arg_utils.py"):
        classes.update(_fields(_tree(path)))
    engine = {**classes.get("EngineArgs", {}), **classes.get("AsyncEngineArgs", {})}
    flags: dict[str, str] = {}
    trees = [_tree(package / "engine/arg_utils.py")]
    for name in (
        "entrypoints/common/cli_args.py",
        "entrypoints/launchers/cli_args.py",
        "entrypoints/openai/cli_args.py",
    ):
        if (package / name).is_file():
            trees.append(_tree(package / name))
    for tree in trees:
        for call in _options(tree):
            own = next((word.value for word in call.keywords if word.arg == "default"), None)
            for spelling in _spellings(call):
                value = engine.get(spelling[2:].replace("-", "_"), own)
                flags.setdefault(spelling, _default(value, classes))
        for name, fields in _fields(tree).items():
            if name.endswith("FrontendArgs"):
                flags.update({"--" + key.replace("_", "-"): _default(value, classes) for key, value in fields.items()})
    return flags


def _default(value: ast.expr | None, classes: dict[str, dict[str, ast.expr]]) -> str:
    """Source of a default; of `SomeConfig.name` and `get_field(SomeConfig, "name")`, of what stands there."""
    for _ in range(3):
        owner = name = ""
        if isinstance(value, ast.Attribute) and isinstance(value.value, ast.Name):
            owner, name = value.value.id, value.attr
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "get_field":
            first, second = value.args
            owner, name = ast.unparse(first), str(ast.literal_eval(second))
        if name not in classes.get(owner, {}):
            break
        value = classes[owner][name]
    if isinstance(value, ast.Call):
        simple = {word.arg: word.value for word in value.keywords}
        value = simple.get("default", value)
    return ast.unparse(value)[:60] if isinstance(value, ast.Constant | ast.UnaryOp | ast.List | ast.BinOp) else ""


def _architectures(tree: ast.Module) -> tuple[str, ...]:
    """Keys of the registry's dictionaries that give a module and a class."""
    found: set[str] = set()
    for node in tree.body:
        target = (
            node.target
            if isinstance(node, ast.AnnAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if not isinstance(target, ast.Name) or not target.id.isupper() or target.id.startswith(_NOT_REGISTERED):
            continue
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            found.update(
                key.value
                for key, value in zip(node.value.keys, node.value.values, strict=True)
                if isinstance(key, ast.Constant) and isinstance(key.value, str) and isinstance(value, ast.Tuple)
            )
    return tuple(sorted(found))


def _keys(package: Path) -> Iterator[str]:
    """Fields of the JSON configs that a user may set."""
    for path in _config_files(package):
        for node in _tree(path).body:
            if not isinstance(node, ast.ClassDef) or node.name not in _JSON:
                continue
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    text = ast.unparse(line)
                    own = line.target.id.startswith("_") or any(
                        w in text for w in ("init=False", "PrivateAttr", "ClassVar")
                    )
                    if not own:
                        yield f"{_JSON[node.name]}.{line.target.id}"


def _table(releases: Sequence[Release]) -> str:
    """JSON with a line per fact: the releases' names, then each fact's stretches."""
    names = [".".join(map(str, release.version)) for release in releases]
    lines = [f"{json.dumps(fact)}: {json.dumps(found)}" for fact, found in ranges(releases).items()]
    return '{"releases": ' + json.dumps(names) + ',\n"facts": {\n' + ",\n".join(lines) + "\n}}\n"


def main(words: Iterable[str]) -> None:
    """See the module."""
    folder, *two = words
    if two:
        old, new = (read_release(Path(folder) / name) for name in two)
        print("\n".join(differences(old, new)))
    else:
        print(_table(read_releases(Path(folder))), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
