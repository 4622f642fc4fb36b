"""Which flags, and which hardware: what `vram plan` and `vram compare` answer."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from math import prod
from typing import Any

from vram.errors import InputError
from vram.models.comparison import Comparison
from vram.models.plan import Plan
from vram_plugins.programs.fields import PRICES, Properties, engine_fields, fields_of, listed, without
from vram_plugins.programs.files import Files
from vram_plugins.programs.question import arguments_of, engine_in, opened_config, pasted_in, policy_in

#: what takes some seconds; `vram compare` and `vram plan` have no such bounds
_MOST_ROWS = 2000
_MOST_GPUS = 128
_PAIR = {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2}
_LENGTHS = {
    "type": "array",
    "items": _PAIR,
    "minItems": 1,
    "maxItems": 10_000,
    "description": "Tokens of prompts and answers: [[1000, 200], ...], in place of prompt_tokens and gen_tokens.",
}
_LISTS = ("gpus", "counts", "quantizations", "kv_cache_dtypes", "in_stock")
#: fields that are no arguments of `vram.compare` under their names
_TOLD_OTHERWISE = ("model", "models", "config", "headroom_gib", "fragmentation_factor", "overhead_gib")


@lru_cache(maxsize=1)
def plan_fields() -> Properties:
    """As `vram plan` has them; what it reads of files is told instead."""
    from vram_plugins.plan.command import command

    named = {parameter.name for parameter in command.params}
    told = {name: field for name, field in {"prices": PRICES, "lengths": _LENGTHS}.items() if name in named}
    return {**fields_of(command), **told}


def plan(question: Mapping[str, Any], files: Files) -> Plan:
    """Raises VramError."""
    import vram

    _check_gpus(question)
    arguments = arguments_of(question, files, pasted_in(question))
    if "lengths" in arguments:
        arguments["lengths"] = tuple(map(tuple, arguments["lengths"]))
    return vram.plan(**arguments)


@lru_cache(maxsize=1)
def compare_fields() -> Properties:
    """As `vram compare` has them, lists as lists; what is compared is no engine argument."""
    from vram_plugins.compare.command import command

    own = fields_of(command)
    changed = {
        "model": {"type": "string", "maxLength": 8192, "description": "Hub id; or several of them in models."},
        "models": listed("Several models: of each the fewest GPUs of each kind.", 16),
        "gpus": listed("Names of GPUs; default: all known."),
        "counts": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 16,
                   "description": "Numbers of GPUs to try; default: 1, 2, 4, 8."},
        "quantizations": listed("Of the weights: none (the checkpoint as it is), fp8, awq ...", 16),
        "kv_cache_dtypes": listed("auto, fp8 ...", 16),
        "prices": PRICES,
        "in_stock": listed("Only these GPUs."),
    }  # fmt: skip
    left_out = ("command", "server", "quantization", "kv_cache_dtype", "tensor_parallel_size")
    return {**changed, **without(own, (*left_out, *changed))}


def compare(question: Mapping[str, Any], files: Files) -> Comparison:
    """Raises VramError."""
    import vram

    _check_size(question)
    own: dict[str, Any] = dict(without(question, (*_TOLD_OTHERWISE, *engine_fields())))
    own |= {name: tuple(own[name]) for name in _LISTS if name in own}
    return vram.compare(
        _models(question, files), **own, policy=policy_in(question), **engine_in(question), trust_remote_code=False
    )


def _models(question: Mapping[str, Any], files: Files) -> Any:
    """One model as it is, or several. Raises InputError, CheckpointError."""
    told = [name for name in ("model", "models", "config") if name in question]
    if len(told) != 1:
        problem = "give one of model, models and config" + (f", not {' and '.join(told)}" if told else "")
        raise InputError(name=told[-1] if told else "model", value=None, problem=problem)
    if "config" in question:
        return opened_config(question["config"])
    if "model" in question:
        return files.model(question["model"])
    return [files.model(name) for name in question["models"]]


def _check_size(question: Mapping[str, Any]) -> None:
    """Raises InputError for a comparison that somebody else would wait for."""
    from vram.gpus import all_gpus
    from vram.plugin import plugins

    cards = (
        len(question["gpus"])
        if "gpus" in question
        else sum(gpu.kind != "partition" for gpu in all_gpus(plugins().profiles))
    )
    rows = cards * len(question.get("models", ("one",)))
    for name, usual in (("counts", 4), ("quantizations", 1), ("kv_cache_dtypes", 1)):
        rows *= len(question[name]) if name in question else usual
    if rows > _MOST_ROWS:
        problem = f"asks for {rows:,} rows, more than the {_MOST_ROWS:,} that are answered at once; name fewer gpus, counts or models"
        raise InputError(name="compare", value=None, problem=problem)


def _check_gpus(question: Mapping[str, Any]) -> None:
    """Raises InputError for a plan over so many GPUs that somebody else would wait for it."""
    from vram_plugins.readers.gpu_counts import kinds_of

    own = question.get("gpus")
    sizes = prod(max(1, question.get(f"{kind}_parallel_size", 1)) for kind in ("tensor", "pipeline", "data"))
    asked = max(sizes, sum(kind.count or own or 1 for kind in kinds_of(question.get("gpu"))))
    if asked > _MOST_GPUS:
        raise InputError(name="gpus", value=asked, problem=f"must be {_MOST_GPUS} at most here; `vram plan` takes more")
