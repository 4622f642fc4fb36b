"""The page's whole state: text fields under the library's names, as they stand in the address."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from math import prod
from typing import Any

from vram.checkpoint import id_named
from vram.deploy import split_extra
from vram.errors import InputError
from vram.models.deployment import EngineArgs, Policy
from vram.models.record import record_fields
from vram.models.saved_request import SavedRequest, Serving
from vram.serving import ServeCommand, parse_count, parse_words
from vram_plugins.web.fields import ALL, SIZES, TARGETS
from vram_plugins.web.keys import flag_word
from vram_plugins.web.reading import plain_number

_ON_THE_HUB = r"https?://\S+|\w[\w.-]*(/\w[\w.-]*)?(:[\w.-]+|(/[\w. -]+)+\.gguf)?"
_LONGEST_FIELD = 8192
_NUMBERS = (
    "gpu_memory_gib",
    "used_gib",
    "headroom_gib",
    "fragmentation_factor",
    "overhead_gib",
    "params_billion",
    "vision_gib",
)
_COUNTS = (
    "concurrency", "gpus", "layers", "kv_heads", "head_dim", "hidden_size", "vocab_size", "prompt_tokens", "gen_tokens",
)  # fmt: skip
_WORDS = ("model", "revision", "gpu", "profile", "vllm_version", "batching_mode")
#: engine arguments with a field of their own on the page; others stand in "other flags"
SHOWN = (
    "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size", "enable_expert_parallel", "dtype",
    "max_model_len", "quantization", "kv_cache_dtype", "gpu_memory_utilization", "max_num_seqs",
    "max_num_batched_tokens", "enforce_eager",
)  # fmt: skip


def request_of(state: Mapping[str, str], *, local_paths: bool = True) -> SavedRequest:
    """What the page's fields ask for. `local_paths` False refuses the server's own files.

    Raises InputError, naming the field.
    """
    given = {name: _plain(name, text) for name, text in state.items() if text.strip()}
    for name, text in given.items():
        if len(text) > _LONGEST_FIELD or "\0" in text:
            raise InputError(name=name, value=text[:40], problem="is too long")
    command = _command(given)
    values: dict[str, Any] = {name: given[name] for name in _WORDS if name in given}
    values |= {name: _number(name, given[name]) for name in _NUMBERS if name in given}
    values |= {name: parse_count(name, given[name]) for name in _COUNTS if name in given}
    engine = {name: value for name, value in command.engine_args.items() if value is not None}
    serving, _ = split_extra(command.extra, Serving())
    _check_count(values.get("gpus"), engine)
    if not local_paths:
        _refuse_paths(_whole(values.get("model")), engine)
    return SavedRequest(**values, engine_args=engine, serving=serving)


def arguments_of(request: SavedRequest) -> dict[str, Any]:
    """The arguments of `vram.estimate` behind its model."""
    headroom = {} if request.headroom_gib is None else {"headroom_gib": request.headroom_gib}
    policy = Policy(fragmentation_factor=request.fragmentation_factor, overhead_gib=request.overhead_gib, **headroom)
    asked = {
        "gpu": request.gpu,
        "gpu_memory_gib": request.gpu_memory_gib,
        "gpus": request.gpus,
        "used_gib": request.used_gib,
        "concurrency": request.concurrency or 1,
        "vllm_version": request.vllm_version,
        "profile": request.profile,
        "policy": policy,
        "revision": request.revision,
    }
    return {**asked, **request.engine_args}


def model_of(request: SavedRequest, *, local_paths: bool = True) -> Any:
    """What `vram.estimate` takes as its model; its address on the Hub where a folder here may be called so. Raises InputError."""
    if request.model:
        here = not local_paths and os.path.exists(os.path.expanduser(request.model))
        return f"https://huggingface.co/{_whole(request.model)}" if here else request.model
    if request.params_billion is None:
        raise InputError(name="model", value=None, problem="pick a model, or give its dimensions by hand")
    from vram.checkpoint import manual_checkpoint

    return manual_checkpoint(
        params_billion=request.params_billion,
        layers=request.layers,
        kv_heads=request.kv_heads,
        head_dim=request.head_dim,
        hidden_size=request.hidden_size,
        vocab_size=request.vocab_size,
        vision_gib=request.vision_gib or 0.0,
    )


def targets_of(state: Mapping[str, str]) -> dict[str, Any]:
    """The targets of speed, as `vram.plan` and `vram.compare` take them; nothing where there are none. Raises InputError."""
    found: dict[str, Any] = {name: _number(name, state[name].strip()) for name in TARGETS if state.get(name)}
    if found and state.get("percentile"):
        found["percentile"] = parse_count("percentile", state["percentile"])
    return found


def changes_of(command: ServeCommand) -> dict[str, str]:
    """A command's arguments as the page's fields; what has no field goes to "flags", secrets nowhere."""
    values = {name: _spelled(command.engine_args.get(name)) for name in SHOWN if name in command.engine_args}
    serving, _ = split_extra(command.extra, Serving())
    rest = [word for name, value in command.engine_args.items() if name not in SHOWN for word in _flag(name, value)]
    port = [] if serving.port == Serving().port else ["--port", str(serving.port)]
    return {**values, "flags": shlex.join([*rest, *serving.extra_flags, *port])}


def change_fields(arguments: Mapping[str, Any], flags: str = "") -> dict[str, str] | None:
    """The fields that a change's arguments set, those without a field behind `flags`; None where one of the flags has to go."""
    found, rest = {}, []
    for name, value in arguments.items():
        if name in (*_WORDS, *_COUNTS, *SHOWN):
            found[name] = "" if value is None else _spelled(value)
        elif value is None:
            return None
        else:
            rest += _flag(name, value)
    if rest:
        found["flags"] = f"{flags} {shlex.join(rest)}".strip()
    if found.keys() & set(SIZES):
        found["gpus"] = ""  # the sizes say it
    if "gpu" in found:
        found["gpu_memory_gib"] = ""
    if "model" in found:
        found["revision"] = ""
    return found


def _command(given: Mapping[str, str]) -> ServeCommand:
    """The engine arguments, read by the parser that reads pasted commands."""
    words = [flag_word(name, given[name]) for name in record_fields(EngineArgs) if name in given]
    try:
        words += shlex.split(given.get("flags", ""))
    except ValueError as error:
        raise InputError(name="flags", value=given["flags"][:80], problem=f"has {error}".lower()) from None
    command = parse_words(["vllm", "serve", "model", *words], version=given.get("vllm_version"))
    if command.refusals:
        raise InputError(name="flags", value=None, problem=f"vLLM stops: {command.refusals[0]}")
    return command


def _plain(name: str, text: str) -> str:
    """What was typed, without what groups the digits of a count."""
    field = ALL.get(name)
    return plain_number(text) if field and field.kind == "count" else text.strip()


def _check_count(gpus: int | None, engine: Mapping[str, Any]) -> None:
    """The number of GPUs against the parallel sizes, where both are said. Raises InputError."""
    sizes = [engine[name] for name in ("tensor_parallel_size", "pipeline_parallel_size") if engine.get(name)]
    if gpus is not None and sizes and prod(sizes) > gpus:
        raise InputError(name="gpus", value=gpus, problem=f"the parallel sizes ask for {prod(sizes)} GPUs")


def _whole(model: str | None) -> str | None:
    """The id of a name without its organisation, where the catalog knows it."""
    return (id_named(model) or model) if model and "/" not in model else model


def _refuse_paths(model: str | None, engine: Mapping[str, Any]) -> None:
    """Other machines learn nothing of this one's files: the same is said of a path that is there and of one that is not."""
    drafts = engine.get("speculative_config") or {}
    for name in (model, drafts.get("model")):
        if isinstance(name, str) and (".." in name or not re.fullmatch(_ON_THE_HUB, name, re.ASCII)):
            problem = "must be a Hub id like organisation/name; local files are not read for other machines"
            raise InputError(name="model", value=name[:200], problem=problem)


def _number(name: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(name=name, value=text[:40], problem="is not a number") from None


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "1" if value else ""
    return "" if value is None else str(value)


def _flag(name: str, value: Any) -> list[str]:
    import json

    flag = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return [flag if value else flag.replace("--", "--no-", 1)]
    if isinstance(value, list | tuple):
        return [flag, *map(str, value)]
    text = json.dumps(dict(value)) if isinstance(value, Mapping) else str(value)
    return [f"{flag}={text}"]
