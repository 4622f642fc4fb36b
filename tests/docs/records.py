"""The reference pages of records and of the kit: every field with its type, unit, default and meaning, out of the code.

A field's meaning is the sentence of its class's docstring that names it in backticks, or a line of `fields.txt` beside this file.
"""

from __future__ import annotations

import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from vram.models.engine_arguments import EngineArguments
from vram.models.record import record_fields

FIELDS = Path(__file__).with_name("fields.txt")
#: by what a name ends with
_UNITS = (
    ("_bytes_per_token", "bytes per token"), ("bytes_per_token", "bytes"), ("_bytes", "bytes"), ("_gib", "GiB"), ("_ms", "ms"), ("_per_hour", "price per hour"),
    ("_per_s", "per second"), ("bandwidth", "bytes/s"), ("interconnect", "bytes/s"), ("board_power", "W"), ("bits", "bits"),
    ("tokens", "tokens"), ("max_model_len", "tokens"), ("window", "tokens"), ("_tokens_per_s", "tokens/s"), ("bits_per_weight", "bits"),
)  # fmt: skip


def modules(package: str) -> list[str]:
    """A package's public modules by name, itself among them."""
    found = import_module(package)
    inside = (
        [one.name for one in pkgutil.walk_packages(found.__path__, f"{package}.")] if hasattr(found, "__path__") else []
    )
    return [package, *inside]


def public(module: str) -> Iterator[tuple[str, Any]]:
    """The classes and functions that a module defines itself, in order."""
    for name, value in vars(import_module(module)).items():
        if (
            not name.startswith("_")
            and getattr(value, "__module__", None) == module
            and (inspect.isclass(value) or inspect.isfunction(value))
        ):
            yield name, value


@lru_cache(maxsize=1)
def told() -> dict[str, str]:
    """Meanings by "Class.field", or by "field" where it is the same everywhere."""
    lines = (line for line in FIELDS.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#"))
    return {name.strip(): text.strip() for name, _, text in (line.partition(":") for line in lines)}


def meaning(kind: type, field: str) -> str:
    """What a field means; "" where nothing says it."""
    return told().get(line_of(kind, field), "") or _sentence(kind, field)


def line_of(kind: type, field: str) -> str:
    """Which line of meanings is the field's: that of its class, else "" where its docstring says it, else the name's own."""
    own = (f"{base.__name__}.{field}" for base in kind.__mro__)
    return next((line for line in own if line in told()), "" if _sentence(kind, field) else field)


def _sentence(kind: type, field: str) -> str:
    for base in kind.__mro__:
        prose = " ".join((base.__dict__.get("__doc__") or "").split("\n\n    ")[0:9]).replace("\n", " ")
        for sentence in re.split(r"(?<=[.;:]) +(?=[A-Z`])", " ".join(prose.split())):
            if re.search(rf"`{re.escape(field)}`", sentence):
                return sentence
    return ""


def fields_of(kind: type) -> list[tuple[str, str, str]]:
    """(name, type, default) of a record's fields, or of a contract's attributes."""
    if hasattr(kind, "__record_fields__"):
        rows = []
        for name, one in record_fields(kind).items():
            default = (
                ""
                if one.default is ... and one.factory is None
                else shown(one.default)
                if one.factory is None
                else f"{one.factory.__name__}()"
            )
            rows.append((name, str(one.type), default))
        return rows
    if hasattr(kind, "__total__"):  # a TypedDict: those of vLLM's arguments are a page of their own
        return [
            (name, str(getattr(one, "__forward_arg__", one)), "None" if "None" in str(one) else "")
            for name, one in kind.__annotations__.items()
            if name not in EngineArguments.__annotations__
        ]
    found: dict[str, tuple[str, str, str]] = {}
    for base in reversed(kind.__mro__):
        if not base.__module__.startswith("vram."):
            continue
        for name, annotation in vars(base).get("__annotations__", {}).items():
            if not name.startswith("_"):
                plain = re.sub(r"^ClassVar\[(.*)\]$", r"\1", str(annotation))
                default = repr(getattr(kind, name)) if hasattr(kind, name) else ""
                found[name] = (name, plain, "" if " object at 0x" in default or "<" in default else default)
    return list(found.values())


def shown(default: object) -> str:
    """A default as it is written; a function as what it is."""
    return "a function" if callable(default) and not isinstance(default, type) else steady(repr(default), "a function")


def steady(text: str, function: str = "...") -> str:
    """A repr as every run on every machine writes it: functions without their place in memory, no paths, sets in order."""
    text = re.sub(r"<function .*? at 0x\w+>", function, text)
    text = re.sub(r"<object object[^>]*>|'/[^']+'", "...", text)
    text = re.sub(r" at 0x\w+", "", text)
    return re.sub(r"(?<=frozenset\(\{)[^}]*(?=\}\))", lambda found: ", ".join(sorted(found[0].split(", "))), text)


def unit(field: str, kind: str) -> str:
    """What a field counts, as its name says."""
    if not re.search(r"int|float|Interval|Range", kind):
        return ""
    return next((text for ending, text in _UNITS if field.endswith(ending)), "")
