"""What calls give that need no running: of Python's own functions and methods, of parsers, and of the file's own functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vram_plugins.readers.python_held import (
    LONGEST,
    MOST_ROUNDS,
    Called,
    Listed,
    Missing,
    Names,
    Parser,
    Written,
    copied,
    text_of,
)
from vram_plugins.readers.splitting import split_words

#: vLLM's enumerations as its JSON has them (`config/compilation.py`, 0.33.0 and, of levels, 0.10.0)
_ENUMS: dict[str, dict[str, str | int]] = {
    "CUDAGraphMode": {n: n for n in ("NONE", "PIECEWISE", "FULL", "FULL_DECODE_ONLY", "FULL_AND_PIECEWISE")},
    "CompilationMode": {"NONE": 0, "STOCK_TORCH_COMPILE": 1, "DYNAMO_TRACE_ONCE": 2, "VLLM_COMPILE": 3},
    "CompilationLevel": {"NO_COMPILATION": 0, "DYNAMO_AS_IS": 1, "DYNAMO_ONCE": 2, "PIECEWISE": 3},
}


def computed(call: Called, names: Names, line: int) -> Any:  # noqa: PLR0912 - a case for each function
    """The result of a call that needs no running, or the call itself."""
    last = call.name.rsplit(".", 1)[-1]
    first = call.values[0] if call.values else None
    match last:
        case "str" if len(call.values) == 1 and not isinstance(first, list | dict | Called):
            return text_of(first)
        case "str" | "repr" if call.name == last and isinstance(first, list) and _plain_items(first):
            return str(list(first))[:LONGEST]
        case "isinstance" if len(call.values) == 2 and not isinstance(first, Missing | Called | Parser):
            return _is_one(first, call.values[1])
        case "parameter" if call.name.split(".")[0] == "modal" or call.name == last:
            return call.named.get("default", call)
        case "Option" | "Argument" if call.values or "default" in call.named:  # Typer's
            return Missing("…") if first is ... else call.named.get("default", first)
        case "bit_length" if isinstance(call.of, int) and not call.values:
            return call.of.bit_length()
        case "int" | "float" if len(call.values) == 1 and call.name == last:
            return _number(first, last)
        case "is_available" if call.name == "torch.cuda.is_available":
            return True  # vLLM runs on a GPU here
        case "items" if isinstance(call.of, dict) and "**" not in call.of:
            return Listed(Listed(pair) for pair in call.of.items())
        case "keys" | "values" if isinstance(call.of, dict) and "**" not in call.of:
            return Listed(call.of if last == "keys" else call.of.values())
        case "enumerate" if call.name == last and isinstance(first, list) and len(call.values) == 1:
            return Listed(Listed(pair) for pair in enumerate(first))
        case "zip" if call.name == last and all(isinstance(held, list) for held in call.values):
            return Listed(Listed(row) for row in zip(*call.values, strict=False))
        case "range" if call.name == last and (counted := _range(call.values)) is not None:
            return counted
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
            return _from(split_words(first), line)
        case "format" if isinstance(call.of, str):
            return _formatted(call)
        case "strip" | "lower" | "upper" | "rstrip" | "lstrip" if isinstance(call.of, str) and not call.values:
            return getattr(call.of, last)()
        case "replace" | "removeprefix" | "removesuffix" if isinstance(call.of, str) and _texts(call.values):
            return getattr(call.of, last)(*call.values)[:LONGEST] if len(call.of) < LONGEST else Missing("…")
        case "loads" if call.name == "json.loads" and isinstance(first, str):
            return _loaded(first)
        case "len" if call.name == last and isinstance(first, str | list | dict):
            return len(first)
        case "Path" | "PurePath" | "PosixPath" | "expanduser" if len(call.values) == 1 and isinstance(first, str):
            return first
        case "join" if call.name.endswith("path.join") and all(isinstance(held, str) for held in call.values):
            return "/".join(held.rstrip("/") for held in call.values[:-1]) + f"/{call.values[-1]}"
        case "dumps" if call.name == "json.dumps":
            return _dumped(first)
        case "copy" if isinstance(call.of, list | dict) and not call.values:
            return Listed(call.of) if isinstance(call.of, list) else dict(call.of)
        case "ArgumentParser" | "FlexibleArgumentParser":
            return Parser()
        case "parse_args" if isinstance(call.of, Parser):
            return call.of.parsing(call.named.get("args", first))
        case "parse_known_args" if isinstance(call.of, Parser):
            return Listed([call.of.parsing(call.named.get("args", first)), Listed()])
        case "add_argument_group" | "add_mutually_exclusive_group" if isinstance(call.of, Parser):
            return call.of
        case "add_cli_args" | "make_arg_parser" if isinstance(first, Parser):
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


def written(text: str, words: list[Any]) -> Written:
    """A text made of words."""
    found = Written(text[:LONGEST])
    found.line = getattr(words, "line", 0)
    return found


def _from(words: list[str], line: int) -> Listed:
    found = Listed(words)
    found.line = line
    return found


def _loaded(text: str) -> Any:
    """A constant text of JSON as what it holds."""
    import json

    try:
        held = json.loads(text) if len(text) < LONGEST else Missing("…")
    except (ValueError, RecursionError):
        return Missing("…")
    return Listed(held) if isinstance(held, list) else held


_KINDS: dict[str, type] = {
    "bool": bool,
    "int": int,
    "float": float,
    "str": str,
    "list": list,
    "tuple": list,
    "dict": dict,
}


def _is_one(held: Any, kinds: Any) -> Any:
    """`isinstance` of a known value and Python's own types; Missing for others."""
    asked = kinds if isinstance(kinds, list) else [kinds]
    known = [_KINDS.get(kind.name) if isinstance(kind, Missing) else None for kind in asked]
    return Missing("…") if None in known else any(isinstance(held, kind) for kind in known if kind)


def _plain_items(items: list[Any]) -> bool:
    """Whether a list's items are written in Python as they are here."""
    return len(items) <= MOST_ROUNDS and all(isinstance(item, str | int | float) for item in items)


def _texts(values: tuple[Any, ...]) -> bool:
    """Whether arguments are short texts, so that what is made of them is no larger by far."""
    return 1 <= len(values) <= 2 and all(isinstance(held, str) and len(held) < 100 for held in values)


def _range(values: tuple[Any, ...]) -> Listed | None:
    """`range(…)` of known numbers, where it is short."""
    if not 1 <= len(values) <= 2 or not all(isinstance(held, int) and abs(held) < 1 << 31 for held in values):
        return None
    numbers = range(*values)
    return Listed(numbers) if len(numbers) <= MOST_ROUNDS else None


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
    if "{" not in str(call.of) or len(str(call.of)) > LONGEST:
        return call.of
    try:
        return str(call.of).format(
            *[text_of(v) for v in call.values], **{k: text_of(v) for k, v in call.named.items() if k != "**"}
        )[:LONGEST]
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
