"""The pages of every public name: records with their fields, the kits that plugins are made of, the packages of the library."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import PurePath
from typing import Any

from tests.docs.records import fields_of, meaning, modules, public, steady, unit

from vram.models.record import record_fields

#: described on another page, with a line for each argument
_ELSEWHERE = {"EngineArguments", "DeploymentArguments"}
_ENGINE = "EngineArgs"


def records_page(written: str) -> str:
    """Every record of `vram.models`."""
    head = (
        "Records are keyword-only and cannot be changed; `vram.models.record.evolve` and `attrs.evolve` make a copy with other values, `attrs.fields`, `attrs.asdict` "
        "and cattrs read them. Sizes are whole bytes, unless a name says otherwise. A type that a plugin gives is checked field by field where it comes in "
        "([hooks](hooks.md)); what an answer means is on [its own page](../explanation/trust.md)."
    )
    return _page("Records", written, head, modules("vram.models"))


def architecture_page(written: str) -> str:
    """The kit of architecture adapters."""
    head = (
        "What [architecture adapters](../how-to/add-an-architecture.md) are made of. Most need `DecoderFamily` or `ExpertFamily`; "
        "the rest is for models that are no variation on Llama. Shapes are those of the whole model; sharing out is done by the records "
        "([Linear, Experts ...](records.md#vrammodelsparameters))."
    )
    return _page("The architecture kit", written, head, modules("vram.architecture"))


def quantization_page(written: str) -> str:
    """The kit of quantization schemes."""
    head = (
        "What [quantization schemes](../tutorials/first-plugin.md) are made of, and which of vLLM's kernels keeps what. Shapes are those of one GPU "
        "([LocalLinear, LocalExperts](records.md#vrammodelsparameters))."
    )
    return _page("The quantization kit", written, head, modules("vram.quantization"))


def names_page(written: str, packages: Iterable[str]) -> str:
    """What the packages of the library give."""
    parts = [
        "# Names of the library\n",
        written,
        "Every name that [is public](public.md), by the package it is imported from; records are on [their page](records.md).\n",
    ]
    for package in packages:
        found = import_module(package)
        parts.append(f"## {package}\n")
        parts += [_entry(name, getattr(found, name)) for name in sorted(found.__all__, key=str.lower)]
    for module in ("vram.errors", "vram.units", "vram.dtypes"):
        parts.append(f"## {module}\n")
        parts += [_entry(name, value) for name, value in public(module)]
    return "\n".join(parts)


def _page(title: str, written: str, head: str, names: list[str]) -> str:
    parts = [f"# {title}\n", written, head + "\n"]
    for module in names:
        entries = [_entry(name, value) for name, value in public(module) if name not in _ELSEWHERE]
        aliases = list(_aliases(module))
        if entries or aliases:
            about = _prose(import_module(module).__doc__).partition("\n\n")[0]
            parts += [f"## {module}\n", about + "\n", *entries, *aliases]
    return "\n".join(parts)


def _aliases(module: str) -> Iterator[str]:
    """Names that a module gives to types and constants, a line for all."""
    found = import_module(module)
    source = inspect.getsource(found)
    names = [
        name
        for name in re.findall(r"^([A-Za-z]\w*)(?:: [^=\n]+)? = ", source, re.MULTILINE)
        if not name.startswith("_")
    ]
    if names:
        told = "; ".join(f"`{name}` = `{_value(getattr(found, name))}`" for name in dict.fromkeys(names))
        yield f"Also: {told}.\n"


def _value(value: Any) -> str:
    if isinstance(value, PurePath):  # where it is differs from machine to machine
        return value.name
    text = re.sub(
        r"typing\.|collections\.abc\.|vram\.[\w.]+\.", "", str(value) if not isinstance(value, str) else repr(value)
    )
    text = steady(text)
    short = text if len(text) <= 120 else text[:117] + "..."
    return short.replace("|", "\\|") if "\n" not in short else type(value).__name__


def _entry(name: str, value: Any) -> str:
    if inspect.isclass(value):
        return "\n".join([f"### {name}\n", _prose(value.__doc__) + "\n", *_fields(value), *_methods(value)])
    if inspect.isfunction(value):
        return f"### {name}\n\n```text\n{name}{_signature(value)}\n```\n\n{_prose(value.__doc__)}\n"
    if inspect.ismodule(value):  # `vram.gpus` is a package that is called
        function = getattr(import_module("vram.api"), name)
        return _entry(name, function)
    text = _prose(getattr(value, "__doc__", "")) if callable(value) else f"`{_value(value)}`"
    return f"### {name}\n\n{text}\n"


def _fields(kind: type) -> Iterator[str]:
    if kind.__name__ == _ENGINE:
        rows = [
            (name, str(one.type), repr(one.default), unit(name, str(one.type)), one.metadata["help"])
            for name, one in record_fields(kind).items()
            if one.metadata
        ]
    else:
        rows = [(name, text, default, unit(name, text), meaning(kind, name)) for name, text, default in fields_of(kind)]
    if not rows or issubclass(kind, BaseException):
        return
    yield "| field | type | unit | default | meaning |\n|---|---|---|---|---|"
    for name, text, default, of, means in rows:
        cells = (
            f"`{name}`",
            f"`{text}`",
            of,
            f"`{default}`" if default else "may be left out" if hasattr(kind, "__total__") else "required",
            means,
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _methods(kind: type) -> Iterator[str]:
    """Methods and properties of its own, a line each."""
    for name, value in vars(kind).items():
        function = (
            value.fget if isinstance(value, property) else value.__func__ if isinstance(value, classmethod) else value
        )
        if name.startswith("_") or not inspect.isfunction(function) or function.__module__ != kind.__module__:
            continue
        gives = str(function.__annotations__.get("return", ""))
        shown = f"`.{name}` → `{gives}`" if isinstance(value, property) else f"`.{name}{_signature(function)}`"
        first = _prose(function.__doc__).replace("\n", " ")
        yield f"- {shown}{': ' + first if first else ''}"
    yield ""


def _signature(function: Any) -> str:
    try:
        text = str(inspect.signature(function))
    except ValueError:
        return "(...)"
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", steady(text))


def _prose(text: str | None) -> str:
    return inspect.cleandoc(text or "")
