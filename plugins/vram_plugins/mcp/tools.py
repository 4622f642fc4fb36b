"""The tools: what each takes and gives as JSON schema, and how a call is answered. Nothing here knows the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from vram.errors import InputError, UnknownNameError
from vram.models.record import frozen, plain
from vram.report import record_schema
from vram_plugins.mcp.short import SHORT
from vram_plugins.programs.fields import engine_fields
from vram_plugins.programs.files import Files
from vram_plugins.programs.operations import NAMES_FILES, Operation, operation_named
from vram_plugins.programs.schemas import ANSWERS, definitions

#: engine arguments that a tool lists; every other one is as good, and named in `more`
_USUAL = frozenset({
    "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "enable_expert_parallel", "dtype", "max_model_len",
    "quantization", "kv_cache_dtype", "gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "enforce_eager",
})  # fmt: skip
_RARE = frozenset({
    "server", "overhead_gib", "fragmentation_factor", "headroom_gib", "used_gib", "profile", "revision", "vision_gib", "vocab_size",
    "hidden_size", "head_dim", "kv_heads", "layers", "params_billion", "in_stock", "min_memory_gib", "max_memory_gib",
    "interconnect", "accept_borderline",
})  # fmt: skip
_BOUNDS = frozenset({"maxLength", "minItems", "maxItems"})
_MORE = "more"
_FULL: Mapping[str, Any] = {
    "type": "boolean",
    "default": False,
    "description": "Also the whole JSON contract in bytes, under `full`.",
}


@frozen(kw_only=True, eq=False)
class ToolDescription:
    """One tool. `input` and `output` are the JSON schemas of its arguments and its structured answer."""

    name: str
    summary: str
    input: Mapping[str, Any]
    output: Mapping[str, Any]


def tools(files: Files) -> tuple[ToolDescription, ...]:
    """Every tool; what reads files is offered where some may be read."""
    return tuple(
        ToolDescription(
            name=name,
            summary=operation_named(name).summary,
            input=_input(operation_named(name), reads=bool(files.folders)),
            output=_output(name),
        )
        for name in SHORT
    )


def called(name: str, arguments: Mapping[str, Any], files: Files) -> dict[str, Any]:
    """The structured answer to a call. Raises VramError."""
    if name not in SHORT:
        raise UnknownNameError(kind="tool", name=name, known=tuple(SHORT))
    operation = operation_named(name)
    content = dict(arguments)
    full = content.pop("full", None)
    if full is not None and not isinstance(full, bool):
        raise InputError(name="full", value=None, problem="must be true or false")
    found = operation.asked(operation.checked(_unfolded(content)), files)
    _, shortened = SHORT[name]
    short: dict[str, Any] = plain(shortened(found))
    return {**short, "full": operation.answer(found)} if full else short


def _unfolded(content: dict[str, Any]) -> dict[str, Any]:
    """What stands in `more`, beside the rest. Raises InputError for what is there twice."""
    more = content.pop(_MORE, None)
    if more is None:
        return content
    if not isinstance(more, dict):
        raise InputError(name=_MORE, value=None, problem="must be an object of further arguments")
    twice = sorted(content.keys() & more.keys())
    if twice:
        raise InputError(name=twice[0], value=None, problem=f"is given twice, beside `{_MORE}` and in it")
    return {**content, **more}


def _input(operation: Operation, *, reads: bool) -> dict[str, Any]:
    fields = operation.fields()
    engine = engine_fields()
    listed = {
        name: field
        for name, field in fields.items()
        if name not in _RARE and (name not in engine or name in _USUAL) and (reads or name not in NAMES_FILES)
    }
    others = [name for name in fields if name in _RARE]
    if not reads and "model" in listed:
        listed["model"] = {**listed["model"], "description": "Hub id, organisation/name."}
    told = [f"`{name}`" for name in others]
    if "enforce_eager" in fields:
        told.append("every other engine argument of vLLM by its name (`block_size`, `speculative_config` ...)")
    folded = {_MORE: {"type": "object", "description": f"Further arguments: {', '.join(told)}."}} if told else {}
    return {
        "type": "object",
        "properties": {**{name: _unbounded(field) for name, field in listed.items()}, **folded, "full": _FULL},
        "additionalProperties": False,
    }


def _unbounded(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Without the bounds that nobody meets who means well: an assistant reads every word of it."""
    inner = {name: _unbounded(one) for name, one in schema.items() if isinstance(one, Mapping)}
    return {**{name: one for name, one in schema.items() if name not in _BOUNDS}, **inner}


@lru_cache(maxsize=16)
def _output(name: str) -> dict[str, Any]:
    """The short answer, and beside it the contract where that was asked for."""
    own: dict[str, Any] = {}
    short = record_schema(SHORT[name][0], own)
    known = {**definitions(), **own}
    needed: dict[str, Any] = dict(own)
    waiting = [ANSWERS[name]]
    while waiting:
        for reference in _references(waiting.pop()):
            if reference not in needed:
                needed[reference] = known[reference]
                waiting.append(known[reference])
    return {
        **short,
        "properties": {**short["properties"], "full": ANSWERS[name]},
        "$defs": dict(sorted(needed.items())),
    }


def _references(schema: object) -> set[str]:
    """Names of definitions that a schema refers to."""
    if isinstance(schema, dict):
        own = {schema["$ref"].rpartition("/")[2]} if "$ref" in schema else set()
        return own.union(*(_references(one) for one in schema.values()))
    return set().union(*(_references(one) for one in schema)) if isinstance(schema, list) else set()
