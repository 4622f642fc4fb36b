"""What may be asked, field by field, as JSON schema: taken from the options of the commands, so that a new flag is a new field."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import click

from vram.commands import engine_options, hardware_options, model_options, workload_options
from vram.models.deployment import EngineArgs
from vram.models.record import record_fields
from vram.models.serve_flags import Flag, serve_flags

Properties = Mapping[str, Mapping[str, Any]]

_LONGEST = 8192
_LONGEST_PASTE = 256 * 1024
_MOST_NAMES = 64
#: options of the terminal, of this machine's files, and what a visitor may not have run here
NOT_ASKED = frozenset({
    "words", "from_file", "model_for", "trust_remote_code", "context_k", "load", "html", "markdown", "as_json", "as_csv", "explain",
    "check", "accept_borderline", "progress", "save", "limit", "unfold", "models", "log", "price", "saved",
})  # fmt: skip
#: options that take one are files here; what they hold is a field of its own, or none
_FILES = frozenset({"FILE", "LIST", "FOLDER", "DIR", "PATH"})
_TYPES = {click.INT.name: "integer", click.FLOAT.name: "number", click.BOOL.name: "boolean"}
_TEXT: Mapping[str, Any] = {"type": "string", "maxLength": _LONGEST}

_PRICE = {"type": ["number", "string"], "maxLength": 40}
PRICES: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": _PRICE,
    "description": 'Per GPU and hour, by name of a GPU or machine: {"H100": 2.49, "L40S": "0.90 EUR"}.',
}
#: how a model is told besides its name
PASTED: Properties = {
    "command": {"type": "string", "maxLength": _LONGEST_PASTE, "description": "A pasted `vllm serve` command, script or manifest, in place of model and flags. Fields beside it win."},  # noqa: E501
    "server": {**_TEXT, "description": "Which of several servers of `command`, by name or line."},
    "config": {"type": "object", "description": "The content of the model's config.json, in place of model."},
}  # fmt: skip


def listed(text: str, most: int = _MOST_NAMES) -> dict[str, Any]:
    """A list of names."""
    return {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": most, "description": text}


@lru_cache(maxsize=1)
def engine_fields() -> dict[str, dict[str, Any]]:
    """vLLM's engine arguments, and its flags that decide memory in other words, or in a way that no rule knows."""
    found = {one.name: _engine_field(one) for one in record_fields(EngineArgs).values() if one.metadata}
    others = (flag for flag in serve_flags().values() if flag.effect in ("same", "decides"))
    return {**found, **{flag.name: _flag_field(flag, found) for flag in others if flag.name not in found}}


def _engine_field(one: Any) -> dict[str, Any]:
    text, kind = one.metadata["help"], str(one.type).removesuffix(" | None")
    if kind in ("int", "float", "bool"):
        return {"type": {"int": "integer", "float": "number", "bool": "boolean"}[kind], "description": text}
    if kind.startswith("Mapping[str, str]"):
        return {"type": "object", "additionalProperties": _TEXT, "description": text}
    if kind.startswith("Mapping"):
        return {"type": "object", "description": text.removeprefix("JSON: ").removeprefix("JSON, ")}
    return listed(text) if kind.startswith("Sequence") else {**_TEXT, "description": text}


def _flag_field(flag: Flag, arguments: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    told = f"The same as {flag.same_as}." if flag.effect == "same" else f"Not modelled: {flag.direction}."
    if flag.same_as in arguments:
        return {**arguments[flag.same_as], "description": told}
    if flag.takes == "switch":
        return {"type": "boolean", "description": told}
    if flag.takes == "many":
        return {"type": "array", "items": {}, "minItems": 0, "maxItems": 4096, "description": told}
    return {"description": told}  # vLLM's parser reads it, and nothing here knows of what type it is


@lru_cache(maxsize=1)
def deployment_fields() -> dict[str, dict[str, Any]]:
    """One deployment, as `vram estimate` is asked about it: model, hardware, users, policy, engine arguments."""

    @click.command
    @model_options
    @hardware_options
    @workload_options
    @engine_options
    def asked() -> None:
        """Never called: its options are read."""

    return fields_of(asked)


def fields_of(command: click.Command) -> dict[str, dict[str, Any]]:
    """The options of a command as fields, the model first and the engine arguments last."""
    own = {
        parameter.name: _option_field(parameter)
        for parameter in command.params
        if isinstance(parameter, click.Option) and parameter.name and is_asked(parameter)
    }
    first = {name: own[name] for name in ("model",) if name in own}
    pasted = {name: dict(one) for name, one in PASTED.items()} if "server" in own else {}
    rest = {name: field for name, field in own.items() if name not in engine_fields()}
    engine = engine_fields() if "tensor_parallel_size" in own else {}
    return {**first, **pasted, **{name: field for name, field in rest.items() if name not in pasted}, **engine}


def is_asked(option: click.Option) -> bool:
    """Whether an option is a field: none of the terminal, and no file of this machine."""
    return option.name not in NOT_ASKED and option.metavar not in _FILES


def _option_field(option: click.Option) -> dict[str, Any]:
    text = " ".join((option.help or "").split()).partition(" [default")[0]
    if option.multiple:
        return listed(text)
    if isinstance(option.type, click.Choice):
        words = [str(choice) for choice in option.type.choices]
        if all(word.isdecimal() for word in words):
            return {"type": "integer", "enum": [int(word) for word in words], "description": text}
        return {"type": "string", "enum": words, "description": text}
    kind = _TYPES.get(option.type.name, "string")
    return {**_TEXT, "description": text} if kind == "string" else {"type": kind, "description": text}


def without(fields: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The others."""
    left_out = frozenset(names)
    return {name: field for name, field in fields.items() if name not in left_out}
